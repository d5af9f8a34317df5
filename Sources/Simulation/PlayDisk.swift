import CoreTypes
import Glibc
import Journal

/// The real store under a play: the same commits as its twin in memory, in files that lose their last writes when the
/// broker dies.
///
/// A death is played with copies of the files, one from before and one from after the write under way: what a commit
/// that returned has written is in both, and of the rest a part is kept, see ``TornWrite``. The store opens that.
final class PlayDisk {
    /// What the broker's journal was doing when it died.
    enum Step {
        case nothing
        /// A commit that nobody was told of.
        case commit([JournalEntry])
        /// Copying the log into the database, if it is long enough.
        case checkpoint
    }

    /// What became of the step.
    struct Outcome {
        /// Whether the commit is there.
        var isKept: Bool
        /// Whether the log lost something.
        var isCut: Bool
        /// For the trace.
        var words: String
    }

    /// What went to the disk and stayed there.
    enum Write {
        case begin(epoch: Int64)
        case commit([JournalEntry], now: Int64)
    }

    /// Everything in its order, for tests that set it to an empty list.
    var writes: [Write]?
    /// Where the files are; nil before the first opening.
    private(set) var directory: String?

    private let settings: JournalSettings
    /// Nil while no broker lives.
    private var journal: SQLiteJournal?

    /// Nothing yet.
    ///
    /// - Parameter logPageCountIdle: See ``JournalSettings``; less than its default, so that short plays have checkpoints.
    init(logPageCountIdle: Int) {
        settings = JournalSettings(reserveByteCount: 0, logPageCountIdle: logPageCountIdle)
    }

    deinit {
        journal = nil
        guard let directory else { return }
        if let stream = unsafe opendir(directory) {
            while let entry = unsafe readdir(stream) {
                let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) { unsafe String(cString: $0) }
                unsafe unlink("\(directory)/\(name)")
            }
            unsafe closedir(stream)
        }
        unsafe rmdir(directory)
    }

    // MARK: - A broker's life

    /// Opens the files for a broker that starts.
    ///
    /// - Returns: What is wrong with them; nil when they hold what the twin does.
    func open(like twin: MemoryJournal, now: Int64) throws(JournalError) -> String? {
        try journal = SQLiteJournal.open(path: try path(), settings: settings)
        if let words = journal?.setAside { return cleaned(words) }
        guard let found = try journal?.recover(now: now) else { return "the journal is not open" }
        return Self.difference(found, twin.recover(now: now))
    }

    /// See ``JournalStore/begin(epoch:)``.
    func begin(epoch: Int64) throws(JournalError) -> Int64? {
        writes?.append(.begin(epoch: epoch))
        return try journal?.begin(epoch: epoch)
    }

    /// A commit that returns, and the checkpoint that follows when it is due.
    func commit(_ entries: [JournalEntry], now: Int64) throws(JournalError) {
        writes?.append(.commit(entries, now: now))
        try journal?.commit(entries, now: now)
        try journal?.checkpointIfUseful(isIdle: true)
    }

    /// The broker ends in order.
    func close() throws(JournalError) {
        var journal: SQLiteJournal?
        swap(&journal, &self.journal)
        try journal.take()?.close()
    }

    /// The broker dies in the midst of `step`, and the power with it.
    func crash(in step: Step, now: Int64, random: inout SeededGenerator) throws(JournalError) -> Outcome {
        let path = try path()
        let log = path + "-wal"
        let logBefore = try read(log)
        var outcome = Outcome(isKept: false, isCut: false, words: "nothing was being written")
        switch step {
        case .nothing:
            journal = nil
        case .commit(let entries):
            try journal?.commit(entries, now: now)
            let torn = TornWrite(log: logBefore, try read(log), random: &random)
            journal = nil
            try replace(log, with: torn.bytes)
            outcome = Outcome(isKept: torn.isWhole, isCut: !torn.isWhole, words: "the log is \(torn.words)")
            if torn.isWhole { writes?.append(.commit(entries, now: now)) }
        case .checkpoint:
            let before = try read(path)
            try journal?.checkpointIfUseful(isIdle: true)
            let torn = TornWrite(database: before, try read(path), random: &random)
            journal = nil
            try replace(path, with: torn.bytes)
            outcome.words = "the database is \(torn.words)"
        }
        return outcome
    }

    // MARK: - Files

    private func path() throws(JournalError) -> String {
        if directory == nil { directory = try Self.makeDirectory() }
        return (directory ?? "") + "/journal"
    }

    /// Makes a directory, in memory where there is a file system for that.
    private static func makeDirectory() throws(JournalError) -> String {
        let places = ["/dev/shm", unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"]
        for place in places {
            var room = statvfs()
            // A container's memory may hold very little.
            guard unsafe statvfs(place, &room) == 0, UInt64(room.f_bavail) * UInt64(room.f_frsize) >= 48 << 20 else {
                continue
            }
            var template = Array("\(place)/understudy-play-XXXXXX".utf8CString)
            if let made = unsafe mkdtemp(&template) { return unsafe String(cString: made) }
        }
        throw JournalError(
            .unusable,
            "no directory can be made in \(places.joined(separator: " or ")); expected 48 MiB of room"
        )
    }

    private func read(_ path: String) throws(JournalError) -> [UInt8] {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return [] }
            throw JournalError(.unusable, "a file of the play cannot be opened: error \(errno)")
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        unsafe fstat(descriptor, &status)
        let size = Int(status.st_size)
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = unsafe max(0, pread(descriptor, buffer.baseAddress, size, 0))
        }
        guard bytes.count == size else { throw JournalError(.unusable, "a file of the play cannot be read") }
        return bytes
    }

    private func replace(_ path: String, with bytes: [UInt8]) throws(JournalError) {
        unsafe unlink(path)
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw JournalError(.unusable, "a file of the play cannot be made: error \(errno)")
        }
        defer { Glibc.close(descriptor) }
        let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        guard written == bytes.count else { throw JournalError(.unusable, "a file of the play cannot be written") }
    }

    // MARK: - Words

    /// Without what is another at each play: the directory, and the time in the name of a file that was set aside.
    func cleaned(_ words: String) -> String {
        let text = directory.map { words.split(separator: $0 + "/", omittingEmptySubsequences: false) } ?? [words[...]]
        return String(text.joined().split(separator: "; it was moved to ").first ?? "")
    }

    private static func difference(_ found: RecoveredState, _ expected: RecoveredState) -> String? {
        guard found != expected else { return nil }
        if let (left, right) = zip(found.jobs, expected.jobs).first(where: { $0 != $1 }) {
            return "the file has \(summary(left)), its twin \(summary(right))"
        }
        return "the file has \(summary(found)), its twin \(summary(expected))"
    }

    private static func summary(_ state: RecoveredState) -> String {
        "epoch \(state.epochLast), \(state.wasClosed ? "closed" : "open"), \(state.jobs.count) jobs, "
            + "\(state.tombstones.count) tombstones, last number \(state.numberLast.map { "\($0)" } ?? "none")"
    }

    private static func summary(_ job: RecoveredJob) -> String {
        "job \(job.number) with \(job.started.count) deliveries, "
            + (job.ending.map { "\($0.terminal.outcome) at \($0.endedAt)" } ?? "a body of \(job.bodyByteCount) bytes")
    }
}
