import BusProtocol
import CoreTypes
import SQLite

/// Reads one row of the table `job`, joined with its content, whose number and key are known.
///
/// What else cannot be read gets a value that does no harm, and is told: the request then has no body that could go to a
/// model. A terminal that can be read is kept whatever else is wrong, because it may have been paid for.
struct JobRow {
    static let columns =
        "number, tenant, id, hash, header, body_bytes, accepted, expires, ttl, outcome, class, ended, frames"

    let row: Statement
    let number: JobNumber
    let key: RequestKey
    /// Unix milliseconds; stands for times that cannot be read.
    let now: Int64
    /// Makes the hash of a body; nil when bodies are not looked at.
    let digest: (@Sendable ([Bytes]) -> BodyHash)?
    /// What is wrong with the row, in words.
    private(set) var damage: [String] = []

    init(
        _ row: Statement,
        now: Int64,
        digest: (@Sendable ([Bytes]) -> BodyHash)?
    ) throws(RowDamage) {
        self.row = row
        self.now = now
        self.digest = digest
        number = try row.jobNumber()
        key = try row.key(of: number)
    }

    /// The job, without its marks.
    mutating func job() -> RecoveredJob {
        let frames = unsafe row.withBytes(12) { unsafe FrameCoding.decode($0) }
        if frames == nil { damage.append("the bytes of job \(number) cannot be read") }
        var job = RecoveredJob(
            AcceptedRequest(
                number: number,
                key: key,
                header: header(),
                bodyHash: hash(),
                body: frames ?? [],
                acceptedAt: time(6),
                expiresAt: time(7),
                ttl: ttl()
            )
        )
        let byteCount = row.integer(5)
        let isInRange = (0...Int64(Limits.bodyBytesMax)).contains(byteCount)
        if !isInRange { damage.append("the size of job \(number) is out of range") }
        if row.isNull(9) {
            if damage.isEmpty { check(job, byteCount) }
        } else {
            job.ending = ending(job.body)
            job.body = []
            job.bodyByteCount = isInRange ? Int(byteCount) : 0
        }
        return job
    }

    /// Looks whether the body of an open job is the one that was accepted.
    private mutating func check(_ job: RecoveredJob, _ byteCount: Int64) {
        if job.bodyByteCount != byteCount {
            damage.append("job \(number) has lost bytes of its body")
        } else if let digest, digest(job.body) != job.bodyHash {
            damage.append("the body of job \(number) has changed")
        }
    }

    /// How the job ended; nil when the terminal cannot be read.
    private mutating func ending(_ frames: [Bytes]) -> RecoveredJob.Ending? {
        guard let header = frames.first else {
            damage.append("the terminal of job \(number) cannot be read")
            return nil
        }
        guard (0...1).contains(row.integer(9)) else {
            damage.append("the outcome of job \(number) is none")
            return nil
        }
        let outcome: Terminal.Outcome = row.integer(9) == 0 ? .reply : .failure
        return RecoveredJob.Ending(
            terminal: StoredTerminal(outcome, header: header, body: Array(frames.dropFirst())),
            failureClass: row.optionalText(10).flatMap(FailureClass.init(rawValue:)),
            endedAt: time(11)
        )
    }

    private mutating func header() -> RequestHeader {
        do throws(BusError) {
            return try RequestHeader(encoded: Bytes(row.bytes(4)))
        } catch {
            damage.append("the header of job \(number) cannot be read: \(error)")
            return RequestHeader(durability: .disk)
        }
    }

    private mutating func hash() -> BodyHash {
        read(else: BodyHash(0, 0, 0, 0)) { (row, number) throws(RowDamage) in try row.hash(of: number) }
    }

    private mutating func ttl() -> Duration {
        let ttl = time(8, else: -1)
        if ttl < 0 { damage.append("the ttl of job \(number) is out of range") }
        return ttl < 0 ? Limits.ttlDefaultDisk : .milliseconds(ttl)
    }

    private mutating func time(_ column: Int, else standIn: Int64? = nil) -> Int64 {
        read(else: standIn ?? now) { (row, number) throws(RowDamage) in try row.time(column, of: number) }
    }

    private mutating func read<Value>(
        else standIn: Value,
        _ body: (Statement, JobNumber) throws(RowDamage) -> Value
    ) -> Value {
        do throws(RowDamage) {
            return try body(row, number)
        } catch {
            damage.append(error.words)
            return standIn
        }
    }
}
