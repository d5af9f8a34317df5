import BusProtocol
import CoreTypes
import Glibc
import Journal
import SQLite
import Testing

/// What is on the disk when: counted, cut and killed.
struct DurabilityTests {
    @Test func aCommitIsOneSyncOfTheLogAndNothingElse() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        _ = try journal.begin(epoch: 1)
        var entries = RandomEntries(seed: 1)
        let (log, main) = (disk.logSyncs, disk.mainSyncs)
        for count in 1...50 {
            try journal.commit(entries.batch(countMax: 40), now: entries.now)
            #expect(disk.logSyncs - log == count)
        }
        #expect(disk.mainSyncs == main)
    }

    @Test func aCheckpointSyncsTheDatabaseAndTheLogIsUsedAgain() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        _ = try journal.begin(epoch: 1)
        var entries = RandomEntries(seed: 2, bodyByteCountMax: 200_000)
        let main = disk.mainSyncs
        var checkpoints = 0
        while checkpoints < 3 {
            let before = disk.mainSyncs
            try journal.commit(entries.batch(countMax: 40), now: entries.now)
            #expect(disk.mainSyncs == before, "a commit makes no checkpoint")
            try journal.checkpointIfUseful(isIdle: true)
            guard disk.mainSyncs > before else { continue }
            checkpoints += 1
            let size = File.size(path + "-wal")
            // 8 MiB, and what the last commit brought.
            #expect(size >= 8 << 20 && size < 16 << 20)
        }
        #expect(disk.mainSyncs - main == 3)
    }

    @Test func underLoadTheLogHasABound() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = try journal.begin(epoch: 1)
        let body = [Bytes([UInt8](repeating: 7, count: 4 << 20))]
        for number in 1...20 {
            try journal.commit([.accepted(.sample(UInt64(number), body: body))], now: 0)
            try journal.checkpointIfUseful(isIdle: false)
        }
        #expect(File.size(path + "-wal") > 60 << 20)
        #expect(File.size(path + "-wal") < 72 << 20)
    }

    @Test func aLogCutAnywhereGivesAPrefixOfTheCommits() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        var twin = MemoryJournal()
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = try journal.begin(epoch: 5)
        _ = twin.begin(epoch: 5)
        var entries = RandomEntries(seed: 3, bodyByteCountMax: 5000)
        var states = [MemoryJournal(), twin]
        for _ in 0..<14 {
            let batch = entries.batch(countMax: 4)
            try journal.commit(batch, now: entries.now)
            twin.commit(batch, now: entries.now)
            states.append(twin)
        }
        // The files as they are at this moment: nothing was copied into the database yet.
        let database = File.read(path)
        let log = File.read(path + "-wal")
        _ = consume journal
        let frame = 24 + 4096
        let frameCount = (log.count - 32) / frame
        #expect(frameCount > 30)
        let copy = "\(directory.path)/copy"
        var last = 0
        func recovered(_ bytes: ArraySlice<UInt8>) throws -> Int? {
            File.write(database, to: copy)
            File.write(bytes, to: copy + "-wal")
            var journal = try SQLiteJournal.open(path: copy, settings: SQLiteJournalTests.settings)
            #expect(journal.setAside == nil)
            let state = try journal.recover(now: entries.now)
            return states.firstIndex { $0.recover(now: entries.now) == state }
        }
        for index in 0..<frameCount {
            let end = 32 + index * frame
            for cut in [end, end + 1 + entries.number(below: frame - 1)] {
                guard let found = try recovered(log[..<cut]) else {
                    Issue.record("cut at \(cut): no prefix of the commits")
                    continue
                }
                #expect(found >= last, "a longer log gave less")
                last = found
            }
            // Damage in the middle of the log: what is before it counts.
            var damaged = log
            damaged[end + entries.number(below: frame)] ^= 0x10
            let found = try recovered(damaged[...])
            #expect(found != nil && (found ?? 0) <= last + 1)
        }
        #expect(try recovered(log[...]) == states.count - 1)
    }

    @Test(.timeLimit(.minutes(10)), arguments: 0..<4)
    func aKilledProcessLeavesWhatItHadCommitted(seed: Int) async throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, seed = seed as Int] in
            var journal = try SQLiteJournal.open(path: path, settings: JournalSettings(reserveByteCount: 0))
            _ = try journal.begin(epoch: 1)
            var entries = RandomEntries(seed: UInt64(seed))
            let commits = unsafe open(path + ".commits", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            var attributes = pthread_t()
            let killer: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
                usleep(.random(in: 20_000...200_000))
                kill(getpid(), SIGKILL)
                return nil
            }
            unsafe pthread_create(&attributes, nil, killer, nil)
            while true {
                try journal.commit(entries.batch(countMax: 30), now: entries.now)
                unsafe write(commits, "+", 1)
                try journal.checkpointIfUseful(isIdle: true)
            }
        }
        let acknowledged = File.size(path + ".commits")
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.setAside == nil)
        let state = try journal.recover(now: 0)
        var entries = RandomEntries(seed: UInt64(seed))
        var twin = MemoryJournal()
        _ = twin.begin(epoch: 1)
        for _ in 0..<acknowledged {
            let batch = entries.batch(countMax: 30)
            twin.commit(batch, now: entries.now)
        }
        // The commit in hand may have been finished without anybody being told.
        let batch = entries.batch(countMax: 30)
        var next = twin
        next.commit(batch, now: entries.now)
        #expect(state == twin.recover(now: 0) || state == next.recover(now: 0))
    }

    @Test func nothingOfARequestThatEndedWithinItsBatchIsWritten() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        let body = [Bytes("the-secret-body")]
        let reply = StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes("the-answer")])
        try journal.commit(
            [
                .accepted(.sample(1, body: body)),
                .started(DeliveryKey(job: JobNumber(1), delivery: 1, attempt: 1)),
                .ended(JobNumber(1), reply, class: nil, at: 1),
            ],
            now: 0
        )
        let first = String(decoding: File.read(path + "-wal"), as: UTF8.self)
        #expect(first.contains("the-answer") && !first.contains("the-secret-body"))
        let other = StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes("never-seen")])
        try journal.commit(
            [
                .accepted(.sample(2, body: body)),
                .ended(JobNumber(2), other, class: nil, at: 1),
                .forgotten(JobNumber(2), rememberedUntil: 100),
                .ended(JobNumber(1), other, class: nil, at: 1),
                .forgotten(JobNumber(1), rememberedUntil: 100),
            ],
            now: 0
        )
        let second = String(decoding: File.read(path + "-wal"), as: UTF8.self)
        #expect(!second.contains("never-seen") && !second.contains("the-secret-body"))
        let state = try journal.recover(now: 0)
        #expect(state.jobs.isEmpty && state.tombstones.map(\.number.value) == [2, 1])
    }
}

extension AcceptedRequest {
    /// A request of no importance.
    static func sample(_ number: UInt64, body: [Bytes] = [Bytes("body")]) -> AcceptedRequest {
        guard let id = RequestID("sample-\(number)") else { preconditionFailure("a bad id") }
        return AcceptedRequest(
            number: JobNumber(number),
            key: RequestKey(tenant: .user(1000), id: id),
            header: RequestHeader(durability: .disk),
            bodyHash: BodyHash(number, 2, 3, 4),
            body: body,
            acceptedAt: 1000,
            expiresAt: 2000,
            ttl: .seconds(60)
        )
    }
}
