import BusProtocol
import CoreTypes
import SQLite

/// The connection of a journal and everything that is run on it often, compiled once.
final class Statements {
    let connection: Connection
    private let begin: Statement
    private let commit: Statement
    private let insertJob: Statement
    private let insertContent: Statement
    private let start: Statement
    private let die: Statement
    private let end: Statement
    private let replaceContent: Statement
    private let bury: Statement
    private let insertTombstone: Statement
    private let deleteJob: Statement
    private let deleteContent: Statement
    private let deleteStarted: Statement
    private let deleteDeaths: Statement
    private let oldTombstones: Statement
    private let newestTombstone: Statement
    private let deleteTombstones: Statement
    private let pageCount: Statement
    private let freePageCount: Statement
    /// Jobs whose rows are damaged. They are written anew with what is next known of the job: a mark on a row that cannot be
    /// read would be lost with it.
    var damage: [JobNumber: JournalDamage.Repair] = [:]
    /// Used again and again for the bytes of `content`.
    private var scratch: [UInt8] = []

    init(_ connection: Connection) throws(SQLiteError) {
        self.connection = connection
        begin = try connection.prepare("BEGIN IMMEDIATE")
        commit = try connection.prepare("COMMIT")
        insertJob = try connection.prepare("INSERT OR IGNORE INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        insertContent = try connection.prepare("INSERT OR REPLACE INTO content VALUES (?, ?)")
        start = try connection.prepare(
            """
            INSERT INTO started SELECT number, ?2, ?3 FROM job WHERE number = ?1
            ON CONFLICT (number, delivery) DO UPDATE SET attempt = max(attempt, excluded.attempt)
            """
        )
        die = try connection.prepare(
            """
            INSERT INTO death SELECT number, ?2 FROM job WHERE number = ?1
            ON CONFLICT (number) DO UPDATE SET count = max(count, excluded.count)
            """
        )
        end = try connection.prepare(
            "UPDATE job SET outcome = ?2, class = ?3, ended = ?4 WHERE number = ?1 AND outcome IS NULL"
        )
        replaceContent = try connection.prepare("UPDATE content SET frames = ?2 WHERE number = ?1")
        bury = try connection.prepare(
            """
            INSERT INTO tombstone (number, tenant, id, hash, until)
            SELECT number, tenant, id, hash, ?2 FROM job WHERE number = ?1
            """
        )
        insertTombstone = try connection.prepare(
            "INSERT INTO tombstone (number, tenant, id, hash, until) VALUES (?, ?, ?, ?, ?)"
        )
        deleteJob = try connection.prepare("DELETE FROM job WHERE number = ?")
        deleteContent = try connection.prepare("DELETE FROM content WHERE number = ?")
        deleteStarted = try connection.prepare("DELETE FROM started WHERE number = ?")
        deleteDeaths = try connection.prepare("DELETE FROM death WHERE number = ?")
        oldTombstones = try connection.prepare("SELECT seq, until FROM tombstone WHERE seq >= ? ORDER BY seq LIMIT ?")
        newestTombstone = try connection.prepare("SELECT max(seq) FROM tombstone")
        deleteTombstones = try connection.prepare("DELETE FROM tombstone WHERE seq BETWEEN ? AND ?")
        pageCount = try connection.prepare("PRAGMA page_count")
        freePageCount = try connection.prepare("PRAGMA freelist_count")
    }

    /// Runs `body` in a transaction; when it throws, nothing is left of it.
    func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        // A rollback that failed is tried again here; without it BEGIN fails, and nothing is written.
        connection.rollback()
        do throws(SQLiteError) {
            try begin.run()
            try body()
            try commit.run()
        } catch {
            connection.rollback()
            throw error
        }
    }

    /// Writes what became of one job.
    func apply(_ change: Batch.Change) throws(SQLiteError) {
        if let repair = damage[change.number] { try write(repair) }
        if let time = change.rememberedUntil {
            if try !forget(change.number, until: time), let request = change.accepted {
                try buryUnwritten(request, until: time)
            }
            return
        }
        var ended = change.ended
        if let request = change.accepted, try insert(request, ended) { ended = nil }
        for key in change.started { try mark(key) }
        if change.deaths > 0 { try die.run(Self.key(change.number), .integer(Int64(change.deaths))) }
        if let ended { try finish(change.number, ended) }
    }

    /// Writes a new job, with its terminal if it has one already; false when there is such a job.
    private func insert(_ request: AcceptedRequest, _ ended: Batch.Ended?) throws(SQLiteError) -> Bool {
        let number = Self.key(request.number)
        try insertJob.bind(number, at: 1)
        try insertJob.bind(Self.tenant(request.key), at: 2)
        try insertJob.bind(.text(request.key.id.text), at: 3)
        try insertJob.bind(.blob(Self.bytes(request.bodyHash)), at: 4)
        try insertJob.bind(.blob(request.header.encoded), at: 5)
        try insertJob.bind(.integer(Int64(request.bodyByteCount)), at: 6)
        try insertJob.bind(.integer(request.acceptedAt), at: 7)
        try insertJob.bind(.integer(request.expiresAt), at: 8)
        try insertJob.bind(.integer(request.ttl.wholeMilliseconds), at: 9)
        try insertJob.bind(ended.map(Self.outcome) ?? .null, at: 10)
        try insertJob.bind(Value(ended?.failureClass?.rawValue), at: 11)
        try insertJob.bind(Value(ended?.time), at: 12)
        _ = try insertJob.step()
        guard connection.changes == 1 else { return false }
        try write(insertContent, number, ended.map(Self.frames) ?? request.body)
        return true
    }

    private func mark(_ key: DeliveryKey) throws(SQLiteError) {
        try start.bind(Self.key(key.job), at: 1)
        try start.bind(.integer(Int64(key.delivery)), at: 2)
        try start.bind(.integer(Int64(key.attempt)), at: 3)
        _ = try start.step()
    }

    private func finish(_ job: JobNumber, _ ended: Batch.Ended) throws(SQLiteError) {
        let number = Self.key(job)
        try end.bind(number, at: 1)
        try end.bind(Self.outcome(ended), at: 2)
        try end.bind(Value(ended.failureClass?.rawValue), at: 3)
        try end.bind(.integer(ended.time), at: 4)
        _ = try end.step()
        guard connection.changes == 1 else { return }
        try write(replaceContent, number, Self.frames(ended))
    }

    /// Puts a tombstone in the place of a job; false when there is no such job.
    private func forget(_ job: JobNumber, until time: Int64) throws(SQLiteError) -> Bool {
        let number = Self.key(job)
        try bury.bind(number, at: 1)
        try bury.bind(.integer(time), at: 2)
        _ = try bury.step()
        guard connection.changes == 1 else { return false }
        try delete(number)
        return true
    }

    private func delete(_ number: Value) throws(SQLiteError) {
        for statement in [deleteJob, deleteContent, deleteStarted, deleteDeaths] {
            try statement.bind(number, at: 1)
            _ = try statement.step()
        }
    }

    /// Writes a damaged job anew, with what could be read of it.
    private func write(_ repair: JournalDamage.Repair) throws(SQLiteError) {
        let job = repair.job
        for number in [job.number] + repair.twins { try delete(Self.key(number)) }
        let ended = job.ending.map {
            Batch.Ended(terminal: $0.terminal, failureClass: $0.failureClass, time: $0.endedAt)
        }
        _ = try insert(AcceptedRequest(job), ended)
        for key in job.started { try mark(key) }
        if job.deaths > 0 { try die.run(Self.key(job.number), .integer(Int64(job.deaths))) }
    }

    private func buryUnwritten(_ request: AcceptedRequest, until time: Int64) throws(SQLiteError) {
        try insertTombstone.bind(Self.key(request.number), at: 1)
        try insertTombstone.bind(Self.tenant(request.key), at: 2)
        try insertTombstone.bind(.text(request.key.id.text), at: 3)
        try insertTombstone.bind(.blob(Self.bytes(request.bodyHash)), at: 4)
        try insertTombstone.bind(.integer(time), at: 5)
        _ = try insertTombstone.step()
    }

    private func write(_ statement: Statement, _ number: Value, _ frames: [Bytes]) throws(SQLiteError) {
        scratch.removeAll(keepingCapacity: scratch.capacity <= 1 << 20)
        FrameCoding.encode(frames, to: &scratch)
        try statement.bind(number, at: 1)
        // The bytes are copied into SQLite and let go of with the next binding, or at the end of the commit.
        try statement.bind(.blob(scratch), at: 2)
        _ = try statement.step()
    }

    /// Deletes tombstones as ``TombstoneRule`` says.
    func expireTombstones(forgotten: Int, now: Int64) throws(SQLiteError) {
        let countMax = TombstoneRule.countMax(forgotten: forgotten)
        guard let first = try expireTombstones(from: .min, countMax: countMax, now: now) else { return }
        let place = TombstoneRule.place(first: first, last: try self.first(newestTombstone))
        _ = try expireTombstones(from: place, countMax: countMax, now: now)
    }

    /// Deletes the run of tombstones from `place` on that are out of date.
    ///
    /// - Returns: Where the tombstone is that stands there and is not out of date; nil when there is none.
    private func expireTombstones(from place: Int64, countMax: Int, now: Int64) throws(SQLiteError) -> Int64? {
        try oldTombstones.bind(.integer(place), at: 1)
        try oldTombstones.bind(.integer(Int64(countMax)), at: 2)
        var count = 0
        var last: Int64 = 0
        while try oldTombstones.step() {
            let found = oldTombstones.integer(0)
            guard oldTombstones.integer(1) <= now else {
                oldTombstones.reset()
                if count == 0 { return found }
                break
            }
            last = found
            count += 1
        }
        if count >= TombstoneRule.countMin { try deleteTombstones.run(.integer(place), .integer(last)) }
        return nil
    }

    /// Bytes of the pages that hold something.
    func byteCountInUse() throws(SQLiteError) -> Int {
        Int(try first(pageCount) - first(freePageCount)) * 4096
    }

    private func first(_ statement: Statement) throws(SQLiteError) -> Int64 {
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }

    // MARK: - Values

    private static func key(_ number: JobNumber) -> Value { .integer(Int64(bitPattern: number.value)) }

    private static func tenant(_ key: RequestKey) -> Value {
        switch key.tenant {
        case .user(let uid): .integer(Int64(uid))
        }
    }

    private static func outcome(_ ended: Batch.Ended) -> Value { ended.terminal.outcome == .reply ? 0 : 1 }

    private static func frames(_ ended: Batch.Ended) -> [Bytes] { [ended.terminal.header] + ended.terminal.body }

    private static func bytes(_ hash: BodyHash) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        for word in [hash.words.0, hash.words.1, hash.words.2, hash.words.3] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return bytes
    }
}
