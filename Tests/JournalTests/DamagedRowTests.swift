import BusProtocol
import CoreTypes
import SQLite
import Testing

@testable import Journal

/// Rows that are not as they were written: each costs what it is about, and nothing else.
struct DamagedRowTests {
    private static let terminal = StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes("yes")])
    private static let failure = StoredTerminal(.failure, header: Bytes("{\"code\":520}"))

    let directory = TemporaryDirectory()

    /// Stands for SHA-256: any function of the frames will do.
    @Sendable private static func digest(_ frames: [Bytes]) -> BodyHash {
        var sum: UInt64 = 0
        for frame in frames { for byte in frame.description.utf8 { sum = sum &* 31 &+ UInt64(byte) } }
        return BodyHash(sum, 0, 0, 0)
    }

    private static func request(_ number: UInt64, _ text: String) -> AcceptedRequest {
        var request = AcceptedRequest.sample(number, body: [Bytes(text), Bytes("dollars")])
        request.bodyHash = digest(request.body)
        return request
    }

    private func open(_ path: String) throws -> SQLiteJournal {
        try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
    }

    /// A journal with jobs 1 (open), 2 (begun) and 3 (with its answer) that was closed, and then changed.
    private func changed(_ change: String, _ name: String) throws -> String {
        let path = "\(directory.path)/\(name)"
        do {
            var journal = try open(path)
            let start = DeliveryKey(job: JobNumber(2), delivery: 1, attempt: 1)
            try journal.commit((1...3).map { .accepted(.sample($0)) } + [.started(start)], now: 0)
            try journal.commit([.ended(JobNumber(3), Self.terminal, class: nil, at: 5)], now: 0)
            try journal.close()
        }
        do { try Connection(path: path, access: .readWrite).execute(change) }
        return path
    }

    @Test func aChangedByteCostsOnlyTheRequestWhoseBodyItIsIn() throws {
        let path = "\(directory.path)/journal"
        do {
            var journal = try open(path)
            let numbers = UInt64(1)...60
            try journal.commit(numbers.map { .accepted(Self.request($0, "pay \($0 + 100) ")) }, now: 0)
            // The hash of a body that has made place for its terminal is not asked for.
            try journal.commit((11...60).map { .ended(JobNumber($0), Self.terminal, class: nil, at: 1) }, now: 0)
            #expect(try journal.recover(now: 0, digest: Self.digest).jobs.allSatisfy { $0.damage == nil })
            #expect(journal.passedOver == nil)
            try journal.close()
        }
        var bytes = File.read(path)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("pay 107".utf8)) })
        bytes[start + 4] ^= 0x08
        File.write(bytes, to: path)
        do {
            var journal = try open(path)
            let state = try journal.recover(now: 0, digest: Self.digest)
            #expect(journal.setAside == nil)
            #expect(journal.passedOver?.contains("requests whose rows are damaged: 1 (") == true)
            #expect(journal.passedOver?.contains("the body of job #7 has changed") == true)
            #expect(state.jobs.map(\.number.value) == Array(1...60))
            #expect(state.jobs.filter { $0.damage != nil }.map(\.number.value) == [7])
            #expect(state.jobs.count { $0.ending?.terminal == Self.terminal } == 50)
            #expect(state.jobs.count { $0.ending == nil && $0.body.count == 2 } == 9)
            let damaged = state.jobs[6]
            #expect(damaged.key == AcceptedRequest.sample(7).key && damaged.body.isEmpty && damaged.ending == nil)
            // As long as it has not ended it is as it was found.
            #expect(try journal.recover(now: 0, digest: Self.digest) == state)
            _ = try journal.begin(epoch: 5)
            let end = JournalEntry.ended(JobNumber(7), Self.failure, class: .workerLost, at: 9)
            try journal.commit([end], now: 0)
        }
        var journal = try open(path)
        let state = try journal.recover(now: 0, digest: Self.digest)
        #expect(journal.passedOver == nil)
        #expect(state.jobs.count == 60 && state.jobs.allSatisfy { $0.damage == nil })
        #expect(state.jobs[6].ending?.terminal == Self.failure)
        #expect(state.jobs[6].ending?.failureClass == .workerLost)
    }

    @Test func aRequestThatCannotBeReadKeepsItsIDAndEnds() throws {
        let changes: [(String, UInt64)] = [
            ("UPDATE job SET hash = x'00' WHERE number = 1", 1),
            ("UPDATE job SET header = CAST('{' AS BLOB) WHERE number = 1", 1),
            ("UPDATE content SET frames = x'0100000009' WHERE number = 1", 1),
            ("UPDATE content SET frames = x'0100000003626F64' WHERE number = 1", 1),
            ("DELETE FROM content WHERE number = 1", 1), ("INSERT INTO death VALUES (1, -1)", 1),
            ("INSERT INTO death VALUES (1, 9223372036854775807)", 1),
            ("UPDATE job SET body_bytes = 5 WHERE number = 1", 1),
            ("UPDATE job SET body_bytes = -9223372036854775807 - 1 WHERE number = 1", 1),
            ("UPDATE job SET body_bytes = 9223372036854775807 WHERE number = 1", 1),
            ("UPDATE job SET accepted = 9223372036854775807 WHERE number = 1", 1),
            ("UPDATE job SET expires = -9223372036854775807 - 1 WHERE number = 1", 1),
            ("UPDATE job SET ttl = -1 WHERE number = 1", 1),
            ("UPDATE job SET ttl = 9223372036854775807 WHERE number = 1", 1),
            ("UPDATE job SET id = 'sample-1' WHERE number = 2", 1), ("UPDATE started SET delivery = -1", 2),
            ("UPDATE started SET attempt = 4294967295", 2), ("UPDATE started SET delivery = 4294967295", 2),
            // An answer that is gone.
            ("UPDATE job SET outcome = 7 WHERE number = 3", 3), ("DELETE FROM content WHERE number = 3", 3),
            ("UPDATE content SET frames = x'00' WHERE number = 3", 3),
        ]
        for (index, (change, number)) in changes.enumerated() {
            let path = try changed(change, "journal-\(index)")
            let count = change.contains("sample-1") ? 2 : 3
            do {
                var journal = try open(path)
                let state = try journal.recover(now: 50)
                #expect(journal.setAside == nil, "\(change)")
                #expect(journal.passedOver?.contains("requests whose rows are damaged: 1 (") == true, "\(change)")
                #expect(journal.passedOver?.contains("job #\(number)") ?? false || count == 2, "\(change)")
                #expect(state.jobs.count == count && state.numberLast == JobNumber(3), "\(change)")
                let damaged = state.jobs.filter { $0.damage != nil }
                #expect(damaged.map(\.number.value) == [number], "\(change)")
                #expect(damaged.allSatisfy { $0.ending == nil && $0.body.isEmpty }, "\(change)")
                // Calls that may have been paid for stay known.
                #expect(damaged.first?.started.isEmpty == (number != 2 && count == 3), "\(change)")
                let end = JournalEntry.ended(JobNumber(number), Self.failure, class: .workerLost, at: 60)
                try journal.commit([end], now: 60)
            }
            var journal = try open(path)
            let state = try journal.recover(now: 70)
            #expect(journal.passedOver == nil, "\(change): \(journal.passedOver ?? "")")
            #expect(state.jobs.count == count && state.jobs.allSatisfy { $0.damage == nil }, "\(change)")
            let job = try #require(state.jobs.first { $0.number.value == number })
            #expect(job.key == AcceptedRequest.sample(number).key, "\(change)")
            #expect(job.ending?.terminal == Self.failure && job.ending?.endedAt == 60, "\(change)")
            try journal.commit([.forgotten(JobNumber(number), rememberedUntil: 1000)], now: 70)
            #expect(try journal.recover(now: 70).tombstones.map(\.key) == [job.key], "\(change)")
        }
    }

    @Test func anAnswerThatCanBeReadIsKeptWhateverElseIsWrong() throws {
        let changes = [
            "UPDATE job SET hash = x'00' WHERE number = 3", "UPDATE job SET header = x'00' WHERE number = 3",
            "UPDATE job SET body_bytes = -1 WHERE number = 3", "UPDATE job SET ttl = -1 WHERE number = 3",
            "UPDATE job SET ended = -9223372036854775807 - 1 WHERE number = 3",
        ]
        for (index, change) in changes.enumerated() {
            var journal = try open(try changed(change, "journal-\(index)"))
            let state = try journal.recover(now: 50)
            #expect(journal.setAside == nil, "\(change)")
            #expect(journal.passedOver?.contains("answers whose rows are damaged: 1 (") == true, "\(change)")
            #expect(state.jobs.map { $0.damage == nil } == [true, true, false], "\(change)")
            #expect(state.jobs.last?.ending?.terminal == Self.terminal, "\(change)")
            #expect((state.jobs.last?.ttl ?? .zero) > .zero, "\(change)")
            try journal.commit([.forgotten(JobNumber(3), rememberedUntil: 1000)], now: 50)
            let after = try journal.recover(now: 50)
            #expect(journal.passedOver == nil, "\(change)")
            #expect(after.jobs.count == 2 && after.tombstones.map(\.number.value) == [3], "\(change)")
        }
    }

    @Test func aRowWithoutAReadableKeyIsPassedOver() throws {
        let changes = [
            ("UPDATE job SET id = 'no id' WHERE number = 1", "tenant and id of job #1 cannot be read", UInt64(3)),
            ("UPDATE job SET tenant = -1 WHERE number = 1", "tenant and id of job #1 cannot be read", 3),
            ("UPDATE job SET number = -1 WHERE number = 1", "-1 is no number of a job", 3),
            ("UPDATE job SET number = 0 WHERE number = 1", "0 is no number of a job", 3),
            ("UPDATE job SET number = 9223372036854775807 WHERE number = 1", "is no number of a job", 3),
            // Its number is not given again.
            ("UPDATE job SET number = 9, id = 'no id' WHERE number = 1", "tenant and id of job #9", 9),
        ]
        for (index, (change, words, last)) in changes.enumerated() {
            var journal = try open(try changed(change, "journal-\(index)"))
            let state = try journal.recover(now: 0)
            #expect(journal.setAside == nil, "\(change)")
            #expect(journal.passedOver?.contains("requests whose id cannot be read: 1 (") == true, "\(change)")
            #expect(journal.passedOver?.contains(words) == true, "\(change): \(journal.passedOver ?? "")")
            #expect(state.jobs.map(\.number.value) == [2, 3], "\(change)")
            #expect(state.jobs.allSatisfy { $0.damage == nil }, "\(change)")
            #expect(state.numberLast == JobNumber(last), "\(change)")
        }
    }

    @Test func aMarkOfNoRequestIsTold() throws {
        for (index, number) in [-1, 77].enumerated() {
            var journal = try open(try changed("UPDATE started SET number = \(number)", "journal-\(index)"))
            let state = try journal.recover(now: 0)
            #expect(journal.setAside == nil)
            #expect(journal.passedOver?.contains("marks that belong to no request: 1 (") == true)
            #expect(state.jobs.count == 3 && state.jobs.allSatisfy { $0.damage == nil })
        }
    }

    @Test func aFailedCommitLeavesTheRepairToTheNext() throws {
        var journal = try open(try changed("DELETE FROM content WHERE number = 1", "journal"))
        _ = try journal.recover(now: 0)
        _ = try journal.begin(epoch: 5)
        try journal.withStatements { (statements) throws(SQLiteError) in
            try statements.connection.execute("PRAGMA query_only = ON")
        }
        let end = JournalEntry.ended(JobNumber(1), Self.failure, class: .workerLost, at: 9)
        #expect(throws: JournalError.self) { try journal.commit([end], now: 0) }
        try journal.withStatements { (statements) throws(SQLiteError) in
            try statements.connection.execute("PRAGMA query_only = OFF")
        }
        try journal.commit([end], now: 0)
        #expect(try journal.recover(now: 0).jobs.first?.ending?.terminal == Self.failure)
    }
}
