import Glibc
import SQLite

/// The file of a journal as a file: what it is, how a new one comes to be, how a damaged one is kept.
struct JournalFile {
    let path: String

    /// Endings of the files that SQLite keeps beside a database; they belong to it and are moved with it.
    static let sideSuffixes = ["-wal", "-journal", "-shm"]

    /// Bytes of the database and its write-ahead log on the disk.
    var byteCount: Int { Self.size(path) + Self.size(path + "-wal") }

    /// True when there is a journal, false when there is no file or an empty one.
    ///
    /// Looks at the file's own header, through no database: opening another program's database, even to read it, may
    /// change it. A journal carries its application id from the moment that it has its name, see ``create(_:_:)``.
    func isJournal(_ schema: JournalSchema) throws(JournalError) -> Bool {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return false }
            let reason = errno == ELOOP ? "it is a symbolic link; expected a file" : Self.reason(errno)
            throw JournalError(.unusable, "cannot open the journal \(path): \(reason)")
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw JournalError(.unusable, "cannot look at the journal \(path): \(Self.reason(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw JournalError(
                .foreign,
                "the journal \(path) is no regular file; it is left as it is: name another file"
            )
        }
        guard status.st_uid == geteuid() else {
            throw JournalError(
                .unusable,
                "the journal \(path) belongs to user \(status.st_uid); expected \(geteuid()), who runs this program"
            )
        }
        if status.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
        guard status.st_size > 0 else { return false }
        var header = [UInt8](repeating: 0, count: 100)
        let count = unsafe header.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == header.count, header.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw JournalError(.foreign, "\(path) is no SQLite database; it is left as it is: name another file")
        }
        try check(applicationID: Self.word(header, 68), version: Self.word(header, 60), schema)
        return true
    }

    /// Refuses the file of another program or of a newer version of this one.
    func check(applicationID: Int32, version: Int32, _ schema: JournalSchema) throws(JournalError) {
        guard applicationID == JournalSchema.applicationID else {
            throw JournalError(
                .foreign,
                "\(path) is the database of another program (application id \(applicationID), expected "
                    + "\(JournalSchema.applicationID)); it is left as it is: name another file"
            )
        }
        guard version <= schema.version else {
            throw JournalError(
                .newer,
                "\(path) has version \(version) of the journal's tables, and this program knows \(schema.version): use "
                    + "the newer Understudy that made it, or name another file"
            )
        }
    }

    /// Makes an empty journal under another name and gives it its own when it is complete and on the disk.
    func create(_ settings: JournalSettings, _ schema: JournalSchema) throws(JournalError) {
        let draft = path + ".new"
        for suffix in [""] + Self.sideSuffixes { unsafe unlink(draft + suffix) }
        // SQLite would only say that it cannot open the file.
        let descriptor = unsafe open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        let number = errno
        guard descriptor >= 0 else {
            throw JournalError(
                number == ENOSPC || number == EDQUOT ? .full : .unusable,
                "cannot make the journal \(path): \(Self.reason(number)); expected a directory in which user \(geteuid()) may "
                    + "make files: mend it, name another file, or run without a journal"
            )
        }
        close(descriptor)
        do throws(SQLiteError) {
            let connection = try Connection(path: draft, access: .create, fileSystem: settings.fileSystem)
            // 4 KiB is the page of the disk and of its cache: a mark costs as little of the log as it can. Free pages are
            // used again and not given back: moving pages about would cost at each commit.
            try connection.execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE; PRAGMA synchronous = FULL")
            try schema.migrate(connection)
        } catch {
            throw JournalError(error)
        }
        guard unsafe rename(draft, path) == 0 else {
            throw JournalError(.unusable, "cannot make the journal \(path): \(Self.reason(errno))")
        }
        try syncDirectory()
    }

    /// Moves the file and its side files to a name that says that it is damaged; nothing is overwritten.
    ///
    /// - Returns: The new path; nil when there was nothing to move.
    func setAside() throws(JournalError) -> String? {
        let present = ([""] + Self.sideSuffixes).filter { Self.size(path + $0) > 0 }
        guard !present.isEmpty else { return nil }
        let base = "\(path).corrupt-\(Self.timeText())"
        var target = base
        var number = 1
        while ([""] + Self.sideSuffixes).contains(where: { unsafe access(target + $0, F_OK) == 0 }) {
            number += 1
            target = "\(base)-\(number)"
        }
        // The log first: a crash in between leaves the database without it, which is found damaged or set aside again,
        // and never a new database beside an old log, which SQLite would take for its own.
        for suffix in present.reversed() {
            guard unsafe rename(path + suffix, target + suffix) == 0 else {
                throw JournalError(.unusable, "cannot set \(path + suffix) aside: \(Self.reason(errno))")
            }
        }
        try syncDirectory()
        return target
    }

    private func syncDirectory() throws(JournalError) {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw JournalError(.unusable, "cannot open the directory \(directory): \(Self.reason(errno))")
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw JournalError(.inputOutput, "cannot sync the directory \(directory): \(Self.reason(errno))")
        }
    }

    /// Bytes of a file; 0 when there is none.
    static func size(_ path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// The system's words for an error number.
    static func reason(_ number: CInt) -> String {
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> Int32 {
        Int32(bitPattern: bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// The time of day as `20260131T235959Z`.
    private static func timeText() -> String {
        var now = time(nil)
        var parts = unsafe tm()
        unsafe gmtime_r(&now, &parts)
        let numbers = unsafe [
            parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
        ]
        let texts = numbers.map { $0 < 10 ? "0\($0)" : "\($0)" }
        return texts[..<3].joined() + "T" + texts[3...].joined() + "Z"
    }
}
