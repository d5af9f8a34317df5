public import BusProtocol
public import CoreTypes
import SQLite

extension SQLiteJournal {
    /// What the journal knows; see ``JournalStore/recover(now:)``.
    ///
    /// When the file turns out to be damaged it is set aside as at opening, and the state is that of a new one.
    public mutating func recover(now: Int64) throws(JournalError) -> RecoveredState {
        try recover(now: now, digest: nil)
    }

    /// As ``recover(now:)``, and a body that is not the one that was accepted is damage, too: it must not go to a model.
    ///
    /// A tombstone that cannot be read is no reason to set open requests aside: it is passed over, see ``passedOver``, and
    /// its id could be run again.
    ///
    /// - Parameter digest: The body hash of some frames.
    public mutating func recover(
        now: Int64,
        digest: (@Sendable ([Bytes]) -> BodyHash)?
    ) throws(JournalError) -> RecoveredState {
        try replacingDamaged { (journal) throws(JournalError) in
            let (state, unread) = try journal.withStatements { (statements) throws(SQLiteError) in
                let reading = Reading(connection: statements.connection, now: now, digest: digest)
                var state = try reading.state()
                let unread = try reading.bury(&state)
                return (state, unread)
            }
            if let first = unread.first {
                journal.passedOver =
                    "the journal \(journal.path) has \(unread.count) remembered ids that cannot be read (\(first)); they were "
                    + "passed over, and would be taken for new: check the disk"
            }
            return state
        }
    }
}

/// Reads a journal. A row that cannot be read is an error of the file.
private struct Reading {
    let connection: Connection
    let now: Int64
    /// Makes the hash of a body; nil when bodies are not looked at.
    let digest: (@Sendable ([Bytes]) -> BodyHash)?

    func state() throws(SQLiteError) -> RecoveredState {
        let meta = try connection.prepare("SELECT epoch, closed FROM meta WHERE id = 0")
        guard try meta.step() else { throw damaged("table meta has no row") }
        // Epochs go into JSON headers, where readers keep 53 bits, and the next one is greater.
        guard (0..<1 << 53).contains(meta.integer(0)) else { throw damaged("the epoch is out of range") }
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
        try checkDistinct(state.jobs)
        state.numberLast = state.jobs.last?.number
        return state
    }

    /// Adds the tombstones to `state`.
    ///
    /// - Returns: What is wrong with those that cannot be read.
    func bury(_ state: inout RecoveredState) throws(SQLiteError) -> [String] {
        var unread: [String] = []
        let select = try connection.prepare("SELECT number, tenant, id, hash, until FROM tombstone ORDER BY seq")
        while try select.step() {
            do throws(SQLiteError) {
                let number = try number(select)
                state.numberLast = max(state.numberLast ?? number, number)
                let until = try time(select, 4, number)
                guard until > now else { continue }
                state.tombstones.append(
                    RecoveredTombstone(
                        number: number,
                        key: try key(select, number),
                        bodyHash: try hash(select, number),
                        rememberedUntil: until
                    )
                )
            } catch {
                unread.append(error.message)
            }
        }
        return unread
    }

    /// Two jobs of one number or of one id cannot both be told to the dispatcher.
    private func checkDistinct(_ jobs: [RecoveredJob]) throws(SQLiteError) {
        for (job, next) in zip(jobs, jobs.dropFirst()) where job.number == next.number {
            throw damaged("job \(job.number) is there twice")
        }
        var keys: Set<RequestKey> = []
        keys.reserveCapacity(jobs.count)
        for job in jobs where !keys.insert(job.key).inserted {
            throw damaged("job \(job.number) has the id of another")
        }
    }

    private func started() throws(SQLiteError) -> [JobNumber: [DeliveryKey]] {
        var started: [JobNumber: [DeliveryKey]] = [:]
        let select = try connection.prepare("SELECT number, delivery, attempt FROM started ORDER BY number, delivery")
        while try select.step() {
            let number = try number(select)
            guard let delivery = Self.count(select.integer(1)), let attempt = Self.count(select.integer(2)) else {
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
            let number = try number(select)
            guard let count = Self.count(select.integer(1)) else {
                throw damaged("the deaths of workers with job \(number) are out of range")
            }
            deaths[number] = Int(count)
        }
        return deaths
    }

    private func job(_ row: Statement, _ started: [JobNumber: [DeliveryKey]]) throws(SQLiteError) -> RecoveredJob {
        let number = try number(row)
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
                acceptedAt: try time(row, 6, number),
                expiresAt: try time(row, 7, number),
                ttl: .milliseconds(try time(row, 8, number))
            )
        )
        let byteCount = row.integer(5)
        guard (0...Int64(Limits.bodyBytesMax)).contains(byteCount), job.ttl >= .zero else {
            throw damaged("a size or time of job \(number) is out of range")
        }
        job.started = started[number] ?? []
        guard !row.isNull(9) else {
            guard job.bodyByteCount == byteCount else { throw damaged("job \(number) has lost bytes of its body") }
            if let digest, digest(frames) != job.bodyHash { throw damaged("the body of job \(number) has changed") }
            return job
        }
        job.bodyByteCount = Int(byteCount)
        guard let terminalHeader = frames.first else { throw damaged("the terminal of job \(number) cannot be read") }
        guard (0...1).contains(row.integer(9)) else { throw damaged("the outcome of job \(number) is none") }
        let outcome: Terminal.Outcome = row.integer(9) == 0 ? .reply : .failure
        job.ending = RecoveredJob.Ending(
            terminal: StoredTerminal(outcome, header: terminalHeader, body: Array(frames.dropFirst())),
            failureClass: row.optionalText(10).flatMap(FailureClass.init(rawValue:)),
            endedAt: try time(row, 11, number)
        )
        job.body = []
        return job
    }

    /// The number of a job, which is the first column; the broker counts on from the greatest, within 53 bits.
    private func number(_ row: Statement) throws(SQLiteError) -> JobNumber {
        let number = row.integer(0)
        guard (1..<1 << 53).contains(number) else { throw damaged("\(number) is no number of a job") }
        return JobNumber(UInt64(number))
    }

    /// A time in milliseconds of which sums and differences stay far from the ends of the type.
    private func time(_ row: Statement, _ column: Int, _ number: JobNumber) throws(SQLiteError) -> Int64 {
        let time = row.integer(column)
        guard (-Limits.millisecondsMax...Limits.millisecondsMax).contains(time) else {
            throw damaged("a time of job \(number) is out of range")
        }
        return time
    }

    /// A count of deliveries, attempts or deaths, to which the broker adds; far above any that it allows.
    private static func count(_ value: Int64) -> UInt32? { (0..<1 << 24).contains(value) ? UInt32(value) : nil }

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
