import BusProtocol
import CFaultyFileSystem
import CoreTypes
import Glibc
import Testing

@testable import Journal

/// Disks that fail and fill up.
struct FaultTests {
    @Test(arguments: 0..<2)
    func aCommitThatFailsAnywhereLeavesNothing(kind: Int) throws {
        let fault = FaultyFileSystem.Fault.allCases[kind]
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        var twin = MemoryJournal()
        var entries = RandomEntries(seed: 11)
        _ = try journal.begin(epoch: 1)
        _ = twin.begin(epoch: 1)
        var failed = 0
        for round in 0..<60 {
            let batch = entries.batch(countMax: 12)
            disk.fail(fault, after: fault == .syncError ? 0 : round % 6)
            do throws(JournalError) {
                try journal.commit(batch, now: entries.now)
                twin.commit(batch, now: entries.now)
            } catch {
                failed += 1
                #expect(error.isTransient && error.code == (fault == .full ? .full : .inputOutput), "\(error)")
            }
            disk.heal()
            #expect(try journal.recover(now: entries.now) == twin.recover(now: entries.now), "round \(round)")
            let next = entries.batch(countMax: 3)
            try journal.commit(next, now: entries.now)
            twin.commit(next, now: entries.now)
            // What came last may have changed nothing and so have written nothing.
            try journal.probe()
            guard round % 7 == 0 else { continue }
            _ = consume journal
            journal = try SQLiteJournal.open(path: path, settings: disk.settings())
            #expect(journal.setAside == nil)
            #expect(try journal.recover(now: entries.now) == twin.recover(now: entries.now), "after a crash")
        }
        #expect(failed > 20)
    }

    @Test(arguments: 0..<2)
    func aCrashAfterAFailedCommitGivesAllOfItOrNothing(kind: Int) throws {
        let fault = FaultyFileSystem.Fault.allCases[kind]
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        var twin = MemoryJournal()
        var entries = RandomEntries(seed: 12)
        for round in 0..<20 {
            var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
            let batch = entries.batch(countMax: 12)
            disk.fail(fault, after: fault == .syncError ? 0 : round % 4)
            do throws(JournalError) {
                try journal.commit(batch, now: entries.now)
                twin.commit(batch, now: entries.now)
                disk.heal()
                continue
            } catch {
                disk.heal()
            }
            _ = consume journal
            var second = try SQLiteJournal.open(path: path, settings: disk.settings())
            let state = try second.recover(now: entries.now)
            var with = twin
            with.commit(batch, now: entries.now)
            let isWhole = state == with.recover(now: entries.now)
            #expect(isWhole || state == twin.recover(now: entries.now))
            if isWhole { twin = with }
        }
    }

    @Test func checkpointsThatFailLoseNothing() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        var twin = MemoryJournal()
        var entries = RandomEntries(seed: 13, bodyByteCountMax: 100_000)
        var failed = 0
        for round in 0..<120 {
            let batch = entries.batch(countMax: 30)
            try journal.commit(batch, now: entries.now)
            twin.commit(batch, now: entries.now)
            let fault = FaultyFileSystem.Fault.allCases[round % 3]
            if round % 5 > 0 { disk.fail(fault, after: round % (fault == .syncError ? 2 : 50)) }
            do throws(JournalError) { try journal.checkpointIfUseful(isIdle: true) } catch { failed += 1 }
            disk.heal()
        }
        #expect(failed > 1)
        #expect(try journal.recover(now: 0) == twin.recover(now: 0))
        _ = consume journal
        journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        #expect(try journal.recover(now: 0) == twin.recover(now: 0))
    }

    @Test func aFullDiskTakesEndsFromItsReserve() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        let disk = FaultyFileSystem(journalPath: path)
        let settings = disk.settings(reserveByteCount: 2 << 20)
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        _ = try journal.begin(epoch: 1)
        #expect(File.size(path + ".reserve") == 2 << 20)
        #expect(File.mode(path + ".reserve") == 0o600)
        disk.limit(disk.used + 400_000)
        let body = [Bytes([UInt8](repeating: 1, count: 10_000))]
        var number: UInt64 = 0
        var failure: JournalError?
        while failure == nil {
            number += 1
            do throws(JournalError) {
                let isFull = try journal.isFull
                #expect(!isFull)
                try journal.commit([.accepted(.sample(number, body: body))], now: 0)
            } catch {
                failure = error
            }
        }
        #expect(failure?.code == .full)
        #expect(failure?.isTransient == true)
        #expect(number > 10)
        let isFullWithoutReserve = try journal.isFull
        #expect(isFullWithoutReserve)
        #expect(File.mode(path + ".reserve") == nil)
        // Every request that was accepted can end.
        for ended in 1..<number {
            let failure = StoredTerminal(.failure, header: Bytes("{}"))
            try journal.commit([.ended(JobNumber(ended), failure, class: .deadline, at: 5)], now: 0)
        }
        let state = try journal.recover(now: 0)
        #expect(state.jobs.count == Int(number) - 1)
        #expect(state.jobs.allSatisfy { $0.ending?.failureClass == .deadline })
        disk.limit(nil)
        let isRestored = journal.restoreReserve()
        #expect(isRestored)
        let isFullAgain = try journal.isFull
        #expect(!isFullAgain)
        #expect(File.size(path + ".reserve") == 2 << 20)
        try journal.commit([.accepted(.sample(number, body: body))], now: 0)
    }

    @Test(.enabled(if: SmallDisk.isPossible))
    func aDiskThatIsReallyFullTakesEndsFromTheReserve() throws {
        let disk = try SmallDisk(byteCount: 6 << 20)
        let path = "\(disk.path)/journal"
        var journal = try SQLiteJournal.open(path: path, settings: JournalSettings(reserveByteCount: 1 << 20))
        let body = [Bytes([UInt8](repeating: 1, count: 50_000))]
        var number: UInt64 = 0
        var failure: JournalError?
        while failure == nil {
            number += 1
            do throws(JournalError) {
                try journal.commit([.accepted(.sample(number, body: body))], now: 0)
            } catch {
                failure = error
            }
        }
        #expect(failure?.code == .full, "\(failure?.message ?? "")")
        let isFull = try journal.isFull
        #expect(isFull)
        let ends: [JournalEntry] = (1..<number).map {
            .ended(JobNumber($0), StoredTerminal(.failure, header: Bytes("{}")), class: .deadline, at: 5)
        }
        try journal.commit(ends, now: 0)
        #expect(try journal.recover(now: 0).jobs.filter { $0.ending != nil }.count == Int(number) - 1)
        let isRestored = journal.restoreReserve()
        #expect(!isRestored, "there is not enough room yet")
        _ = consume journal
    }

    @Test func theLimitOfTheFileIsForNewRequestsOnly() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        var settings = SQLiteJournalTests.settings
        settings.byteCountMax = 1 << 20
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        let body = [Bytes([UInt8](repeating: 1, count: 100_000))]
        var number: UInt64 = 0
        while try !journal.isFull {
            number += 1
            try journal.commit([.accepted(.sample(number, body: body))], now: 0)
        }
        #expect((8...11).contains(number))
        let inUse = try journal.byteCountInUse
        #expect(inUse >= 1 << 20 && inUse < 1_300_000)
        // Ends take the place of bodies; what is free is used again, though the file does not shrink.
        try journal.commit(
            (1...3).map {
                .ended(JobNumber($0), StoredTerminal(.failure, header: Bytes("{}")), class: .deadline, at: 1)
            },
            now: 0
        )
        let isStillFull = try journal.isFull
        #expect(!isStillFull)
    }
}

/// A file system in memory with a limit, for who may mount one.
struct SmallDisk: ~Copyable {
    struct Failure: Error {
        var errno: CInt
    }

    let path: String

    static let isPossible = (try? SmallDisk(byteCount: 1 << 20)) != nil

    init(byteCount: Int) throws(Failure) {
        var template = Array("/tmp/understudy-test-XXXXXX".utf8CString)
        guard geteuid() == 0, let made = unsafe mkdtemp(&template) else { throw Failure(errno: errno) }
        let directory = unsafe String(cString: made)
        let number = unsafe small_disk_mount(directory, Int64(byteCount))
        guard number == 0 else {
            unsafe rmdir(directory)
            throw Failure(errno: number)
        }
        path = directory
    }

    deinit {
        unsafe small_disk_unmount(path)
        unsafe rmdir(path)
    }
}
