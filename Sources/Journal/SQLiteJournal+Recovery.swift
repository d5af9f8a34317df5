import BusProtocol
import CoreTypes
import SQLite

extension SQLiteJournal {
    /// What the journal knows; see ``JournalStore/recover(now:)``.
    ///
    /// When the file turns out to be damaged it is set aside as at opening, and the state is that of a new one.
    public mutating func recover(now: Int64) throws(JournalError) -> RecoveredState {
        try replacingDamaged { (journal) throws(JournalError) in
            try journal.withStatements { (statements) throws(SQLiteError) in
                try Reading(connection: statements.connection, now: now).state()
            }
        }
    }
}

/// Reads a journal. A row that cannot be read is an error of the file.
private struct Reading {
    let connection: Connection
    let now: Int64

    func state() throws(SQLiteError) -> RecoveredState {
        let meta = try connection.prepare("SELECT epoch, closed FROM meta WHERE id = 0")
        guard try meta.step() else { throw damaged("table meta has no row") }
        var state = RecoveredState(epochLast: meta.integer(0), wasClosed: meta.integer(1) != 0)
        meta.reset()
        let started = try started()
        let deaths = try deaths()
        let select = try connection.prepare(
            """
            SELECT number, tenant, id, hash, header, body_bytes, accepted, expires, ttl, outcome, class, ended, frames
            FROM job LEFT JOIN content USING (number) ORDER BY number
            """
        )
        while try select.step() {
            var job = try job(select, started)
            job.deaths = deaths[job.number] ?? 0
            state.jobs.append(job)
        }
        state.jobs.sort { $0.number < $1.number }
        state.numberLast = state.jobs.last?.number
        let buried = try connection.prepare("SELECT number, tenant, id, hash, until FROM tombstone ORDER BY seq")
        while try buried.step() {
            let number = JobNumber(UInt64(bitPattern: buried.integer(0)))
            state.numberLast = max(state.numberLast ?? number, number)
            guard buried.integer(4) > now else { continue }
            state.tombstones.append(
                RecoveredTombstone(
                    number: number,
                    key: try key(buried, number),
                    bodyHash: try hash(buried, number),
                    rememberedUntil: buried.integer(4)
                )
            )
        }
        return state
    }

    private func started() throws(SQLiteError) -> [JobNumber: [DeliveryKey]] {
        var started: [JobNumber: [DeliveryKey]] = [:]
        let select = try connection.prepare("SELECT number, delivery, attempt FROM started ORDER BY number, delivery")
        while try select.step() {
            let number = JobNumber(UInt64(bitPattern: select.integer(0)))
            guard let delivery = UInt32(exactly: select.integer(1)), let attempt = UInt32(exactly: select.integer(2))
            else {
                throw damaged("job \(number) has a delivery out of range")
            }
            started[number, default: []].append(DeliveryKey(job: number, delivery: delivery, attempt: attempt))
        }
        return started
    }

    private func deaths() throws(SQLiteError) -> [JobNumber: Int] {
        var deaths: [JobNumber: Int] = [:]
        let select = try connection.prepare("SELECT number, count FROM death")
        while try select.step() {
            let number = JobNumber(UInt64(bitPattern: select.integer(0)))
            guard let count = Int(exactly: select.integer(1)), count >= 0 else {
                throw damaged("the deaths of workers with job \(number) are out of range")
            }
            deaths[number] = count
        }
        return deaths
    }

    private func job(_ row: Statement, _ started: [JobNumber: [DeliveryKey]]) throws(SQLiteError) -> RecoveredJob {
        let number = JobNumber(UInt64(bitPattern: row.integer(0)))
        guard let frames = unsafe row.withBytes(12, { unsafe FrameCoding.decode($0) }) else {
            throw damaged("the bytes of job \(number) cannot be read")
        }
        let header: RequestHeader
        do throws(BusError) {
            header = try RequestHeader(encoded: Bytes(row.bytes(4)))
        } catch {
            throw damaged("the header of job \(number) cannot be read: \(error)")
        }
        var job = RecoveredJob(
            AcceptedRequest(
                number: number,
                key: try key(row, number),
                header: header,
                bodyHash: try hash(row, number),
                body: frames,
                acceptedAt: row.integer(6),
                expiresAt: row.integer(7),
                ttl: .milliseconds(row.integer(8))
            )
        )
        job.bodyByteCount = Int(row.integer(5))
        job.started = started[number] ?? []
        guard !row.isNull(9) else { return job }
        guard let terminalHeader = frames.first else { throw damaged("the terminal of job \(number) cannot be read") }
        let outcome: Terminal.Outcome = row.integer(9) == 0 ? .reply : .failure
        job.ending = RecoveredJob.Ending(
            terminal: StoredTerminal(outcome, header: terminalHeader, body: Array(frames.dropFirst())),
            failureClass: row.optionalText(10).flatMap(FailureClass.init(rawValue:)),
            endedAt: row.integer(11)
        )
        job.body = []
        return job
    }

    /// Tenant and id, which are the second and third column.
    private func key(_ row: Statement, _ number: JobNumber) throws(SQLiteError) -> RequestKey {
        guard let user = UInt32(exactly: row.integer(1)), let id = RequestID(row.text(2)) else {
            throw damaged("tenant and id of job \(number) cannot be read")
        }
        return RequestKey(tenant: .user(user), id: id)
    }

    /// The body hash, which is the fourth column.
    private func hash(_ row: Statement, _ number: JobNumber) throws(SQLiteError) -> BodyHash {
        let bytes = row.bytes(3)
        guard bytes.count == 32 else { throw damaged("the body hash of job \(number) cannot be read") }
        func word(_ index: Int) -> UInt64 { bytes[8 * index..<8 * index + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        return BodyHash(word(0), word(1), word(2), word(3))
    }

    private func damaged(_ what: String) -> SQLiteError {
        SQLiteError(code: .corrupt, resultCode: 0, call: "sqlite3_step", path: connection.path, message: what)
    }
}
