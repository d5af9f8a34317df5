import BusProtocol
import CoreTypes
import Glibc
import Synchronization
import Testing

@testable import Journal

/// What the next process finds of a commit that failed, when this one dies.
@Suite(.timeLimit(.minutes(10)))
struct FailedCommitTests {
    let directory = TemporaryDirectory()
    var path: String { "\(directory.path)/journal" }

    /// What another process reads at this moment: the files as the system's cache has them.
    private static func seenByOthers(_ path: String) throws -> RecoveredState {
        let copy = path + "-copy"
        for suffix in ["", "-wal"] { File.write(File.read(path + suffix), to: copy + suffix) }
        var journal = try SQLiteJournal.open(path: copy, settings: SQLiteJournalTests.settings)
        #expect(journal.setAside == nil)
        return try journal.recover(now: 0)
    }

    @Test(arguments: [1, 40, 400])
    func aCommitWhoseSyncFailedIsGoneOnceItIsWrittenOver(count: Int) throws {
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        _ = try journal.begin(epoch: 1)
        try journal.commit([.accepted(.sample(1))], now: 0)
        let before = try journal.recover(now: 0)
        let body = [Bytes([UInt8](repeating: 7, count: 20_000))]
        let batch: [JournalEntry] = (2...UInt64(count) + 1).map { .accepted(.sample($0, body: body)) }
        disk.fail(.syncError, count: .max)
        #expect(throws: JournalError.self) { try journal.commit(batch, now: 0) }
        #expect(try Self.seenByOthers(path).jobs.count == count + 1, "it stands whole in the system's cache")
        let isOver = journal.overwriteFailedCommit()
        #expect(isOver)
        #expect(try Self.seenByOthers(path) == before)
        disk.heal()
        try journal.commit([.accepted(.sample(1000))], now: 0)
        #expect(try Self.seenByOthers(path).jobs.map(\.number.value) == [1, 1000])
        #expect(try journal.recover(now: 0) == Self.seenByOthers(path))
    }

    @Test func whatCannotBeWrittenOverIsNotSaidToBe() throws {
        let disk = FaultyFileSystem(journalPath: path)
        var settings = disk.settings()
        settings.logPageCountIdle = 1
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        _ = try journal.begin(epoch: 1)
        try journal.commit([.accepted(.sample(1))], now: 0)
        // The next commit starts the log anew, and syncs its header first.
        try journal.checkpointIfUseful(isIdle: true)
        disk.fail(.syncError, after: 1, count: .max)
        #expect(throws: JournalError.self) { try journal.commit([.accepted(.sample(2))], now: 0) }
        var isOver = journal.overwriteFailedCommit()
        #expect(!isOver)
        #expect(try Self.seenByOthers(path).jobs.count == 2)
        disk.fail(.writeError, count: .max)
        isOver = journal.overwriteFailedCommit()
        #expect(!isOver)
        disk.heal()
        isOver = journal.overwriteFailedCommit()
        #expect(isOver)
        #expect(try Self.seenByOthers(path).jobs.count == 1)
    }

    @Test func nothingOfWhatIsRefusedIsThereForTheNextProcess() async throws {
        let reports = JournalWriterTests.Reports()
        let seen = Mutex<[Int]>([])
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        _ = try journal.begin(epoch: 1)
        let writer = try JournalWriter(journal: journal) { [path] report in
            if case .refused = report {
                let count = (try? Self.seenByOthers(path).jobs.count) ?? -1
                seen.withLock { $0.append(count) }
            }
            reports.put(report)
        }
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        disk.fail(.syncError, count: .max)
        writer.append(.accepted(.sample(2)), ticket: 2)
        await reports.wait { _ in reports.refused == [JobNumber(2)] }
        #expect(seen.withLock(\.self) == [1])
        disk.heal()
        await reports.wait { _ in reports.admissions.last == .open }
        let error = await writer.closed()
        #expect(error == nil)
    }

    @Test func aRefusalWaitsUntilTheLogCanBeWrittenOver() async throws {
        let reports = JournalWriterTests.Reports()
        let disk = FaultyFileSystem(journalPath: path)
        var settings = disk.settings()
        settings.logPageCountIdle = 1
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        _ = try journal.begin(epoch: 1)
        try journal.checkpointIfUseful(isIdle: true)
        let writer = try JournalWriter(journal: journal) { reports.put($0) }
        disk.fail(.syncError, after: 1, count: .max)
        writer.append(.accepted(.sample(1)), ticket: 1)
        func failures() -> Int { reports.list.count { if case .failing = $0 { true } else { false } } }
        await reports.wait { _ in failures() >= 2 }
        #expect(reports.refused.isEmpty)
        #expect(writer.admission == .failing)
        disk.heal()
        await reports.wait { _ in reports.refused == [JobNumber(1)] }
        await reports.wait { _ in reports.recoveries == 1 && reports.admissions.last == .open }
        #expect(reports.commits.last == 1)
        let error = await writer.closed()
        #expect(error == nil)
    }

    @Test func aCommitWhoseWriteFailedIsRefusedThoughNothingCanBeWritten() async throws {
        let reports = JournalWriterTests.Reports()
        let disk = FaultyFileSystem(journalPath: path)
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings())
        _ = try journal.begin(epoch: 1)
        let writer = try JournalWriter(journal: journal) { reports.put($0) }
        let body = [Bytes([UInt8](repeating: 7, count: 20_000))]
        var number: UInt64 = 0
        repeat {
            number += 1
            // Two writes for each page; every one of them is once the first to fail.
            disk.fail(.writeError, after: Int(number) - 1, count: .max)
            writer.append(.accepted(.sample(number, body: body)), ticket: number)
            await reports.wait(through: number)
            guard reports.refused.last == JobNumber(number) else { break }
            #expect(try Self.seenByOthers(path).jobs.isEmpty)
            disk.heal()
            await reports.wait { _ in reports.admissions.last == .open }
        } while number < 100
        #expect(number > 12 && number < 100, "at last there was no write left to fail")
        disk.heal()
        let error = await writer.closed()
        #expect(error == nil)
    }
}
