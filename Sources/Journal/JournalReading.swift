import BusProtocol
import CoreTypes
import SQLite

/// Reads a journal. A row that cannot be read costs what it says and no more; what it throws is an error of the file.
struct JournalReading {
    let connection: Connection
    /// Unix milliseconds.
    let now: Int64
    /// Makes the hash of a body; nil when bodies are not looked at.
    let digest: (@Sendable ([Bytes]) -> BodyHash)?
    /// What is not as it was written.
    private(set) var damage = JournalDamage()

    init(connection: Connection, now: Int64, digest: (@Sendable ([Bytes]) -> BodyHash)?) {
        self.connection = connection
        self.now = now
        self.digest = digest
    }

    mutating func state() throws(SQLiteError) -> RecoveredState {
        let meta = try connection.prepare("SELECT epoch, closed FROM meta WHERE id = 0")
        guard try meta.step() else { throw corrupt("table meta has no row") }
        // Epochs go into JSON headers, where readers keep 53 bits, and the next one is greater.
        guard (0..<1 << 53).contains(meta.integer(0)) else { throw corrupt("the epoch is out of range") }
        var state = RecoveredState(epochLast: meta.integer(0), wasClosed: meta.integer(1) != 0)
        meta.reset()
        try readJobs(into: &state)
        try bury(&state)
        return state
    }

    // MARK: - Jobs

    private mutating func readJobs(into state: inout RecoveredState) throws(SQLiteError) {
        var marks = try readMarks()
        let select = try connection.prepare(
            "SELECT \(JobRow.columns) FROM job LEFT JOIN content USING (number) ORDER BY number"
        )
        var jobs: [RecoveredJob] = []
        while try select.step() {
            do throws(RowDamage) {
                note(try select.jobNumber(), in: &state)
                var row = try JobRow(select, now: now, digest: digest)
                var job = row.job()
                let found = marks.removeValue(forKey: job.number) ?? Marks()
                job.started = found.started
                job.deaths = found.deaths
                let words = row.damage + found.damage
                if !words.isEmpty { job.damage = words.joined(separator: ", ") }
                if job.damage != nil, job.ending == nil { job.dropBody() }
                jobs.append(job)
            } catch {
                damage.unreadJobs.append(error.words)
                // Not told a second time as marks without a request.
                if let number = try? select.jobNumber() { marks[number] = nil }
            }
        }
        jobs.sort { $0.number < $1.number }
        for (job, next) in zip(jobs, jobs.dropFirst()) where job.number == next.number {
            throw corrupt("job \(job.number) is there twice")
        }
        for number in marks.keys.sorted() { damage.unreadMarks.append("no job \(number) is there") }
        state.jobs = distinct(jobs)
        for job in state.jobs where job.damage != nil { damage.jobs.append(job) }
    }

    /// Of jobs with one and the same id only the first stays: nobody can say which of them had it, so none is run and no
    /// answer is given out.
    private mutating func distinct(_ jobs: [RecoveredJob]) -> [RecoveredJob] {
        var places: [RequestKey: Int] = [:]
        places.reserveCapacity(jobs.count)
        var kept: [RecoveredJob] = []
        kept.reserveCapacity(jobs.count)
        for job in jobs {
            guard let place = places[job.key] else {
                places[job.key] = kept.count
                kept.append(job)
                continue
            }
            let first = kept[place].number
            kept[place].damage = "jobs \(first) and \(job.number) have the same id"
            kept[place].ending = nil
            kept[place].dropBody()
            kept[place].started += job.started.map {
                DeliveryKey(job: first, delivery: $0.delivery, attempt: $0.attempt)
            }
            damage.twins[first, default: []].append(job.number)
        }
        return kept
    }

    // MARK: - Marks

    /// What is known of the calls for a job.
    private struct Marks {
        var started: [DeliveryKey] = []
        var deaths = 0
        var damage: [String] = []
    }

    private mutating func readMarks() throws(SQLiteError) -> [JobNumber: Marks] {
        var marks: [JobNumber: Marks] = [:]
        let started = try connection.prepare("SELECT number, delivery, attempt FROM started ORDER BY number, delivery")
        while try started.step() {
            guard let number = readNumber(started) else { continue }
            let delivery = started.count(1)
            let attempt = started.count(2)
            // Whatever it says, there was a call that may have been paid for.
            marks[number, default: Marks()].started.append(
                DeliveryKey(job: number, delivery: delivery ?? 1, attempt: attempt ?? 1)
            )
            if delivery == nil || attempt == nil {
                marks[number]?.damage.append("job \(number) has a delivery out of range")
            }
        }
        let deaths = try connection.prepare("SELECT number, count FROM death")
        while try deaths.step() {
            guard let number = readNumber(deaths) else { continue }
            if let count = deaths.count(1) {
                marks[number, default: Marks()].deaths = Int(count)
            } else {
                marks[number, default: Marks()].damage
                    .append("the deaths of workers with job \(number) are out of range")
            }
        }
        return marks
    }

    private mutating func readNumber(_ row: Statement) -> JobNumber? {
        do throws(RowDamage) {
            return try row.jobNumber()
        } catch {
            damage.unreadMarks.append(error.words)
            return nil
        }
    }

    // MARK: - Tombstones

    private mutating func bury(_ state: inout RecoveredState) throws(SQLiteError) {
        let select = try connection.prepare("SELECT number, tenant, id, hash, until FROM tombstone ORDER BY seq")
        while try select.step() {
            do throws(RowDamage) {
                let number = try select.jobNumber()
                note(number, in: &state)
                let until = try select.time(4, of: number)
                guard until > now else { continue }
                state.tombstones.append(
                    RecoveredTombstone(
                        number: number,
                        key: try select.key(of: number),
                        bodyHash: try select.hash(of: number),
                        rememberedUntil: until
                    )
                )
            } catch {
                damage.unreadTombstones.append(error.words)
            }
        }
    }

    private func note(_ number: JobNumber, in state: inout RecoveredState) {
        state.numberLast = max(state.numberLast ?? number, number)
    }

    private func corrupt(_ what: String) -> SQLiteError {
        SQLiteError(code: .corrupt, resultCode: 0, call: "sqlite3_step", path: connection.path, message: what)
    }
}

extension RecoveredJob {
    /// Lets go of a body that must not go to a model.
    fileprivate mutating func dropBody() {
        body = []
        bodyByteCount = 0
    }
}
