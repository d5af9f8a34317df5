import BusProtocol
import CoreTypes
import Glibc
import Synchronization
import Testing

@testable import Journal

/// The writer's thread: order, groups, refusals and the way back.
@Suite(.timeLimit(.minutes(10)))
struct JournalWriterTests {
    let directory = TemporaryDirectory()
    var path: String { "\(directory.path)/journal" }

    /// Reports as they come, for a test that waits for one.
    final class Reports: Sendable {
        private let all = Mutex<[JournalReport]>([])
        private let stream: AsyncStream<Void>
        private let signal: AsyncStream<Void>.Continuation

        init() { (stream, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

        func put(_ report: JournalReport) {
            all.withLock { $0.append(report) }
            signal.yield()
        }

        var list: [JournalReport] { all.withLock { $0 } }

        /// Waits until `isEnough` holds of all reports so far.
        func wait(until isEnough: ([JournalReport]) -> Bool) async {
            if isEnough(list) { return }
            for await _ in stream where isEnough(list) { return }
        }

        /// Waits until everything up to a ticket is committed or refused.
        func wait(through ticket: UInt64) async { await wait { Self.ticket($0) >= ticket } }

        static func ticket(_ reports: [JournalReport]) -> UInt64 {
            reports.reduce(0) { last, report in
                if case .committed(let ticket, _) = report { ticket } else { last }
            }
        }

        var commits: [UInt64] {
            list.compactMap { if case .committed(let ticket, _) = $0 { ticket } else { nil } }
        }

        var refused: [JobNumber] {
            list.flatMap { report -> [JobNumber] in
                if case .refused(let jobs, _) = report { jobs } else { [] }
            }
        }

        var admissions: [JournalAdmission] {
            list.compactMap { if case .admission(let admission) = $0 { admission } else { nil } }
        }

        var failures: [JournalError] {
            list.compactMap { if case .failing(let error, _) = $0 { error } else { nil } }
        }

        var recoveries: Int {
            list.count { if case .recovered = $0 { true } else { false } }
        }
    }

    private func writer(_ settings: JournalSettings, _ reports: Reports) throws -> JournalWriter {
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        _ = try journal.begin(epoch: 1)
        return try JournalWriter(journal: journal) { reports.put($0) }
    }

    private func recovered() throws -> RecoveredState {
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.setAside == nil)
        return try journal.recover(now: 0)
    }

    private func ended(_ number: UInt64) -> JournalEntry {
        .ended(JobNumber(number), StoredTerminal(.failure, header: Bytes("{}")), class: .deadline, at: 1)
    }

    @Test func whatIsReportedIsOnTheDiskInOrder() async throws {
        let reports = Reports()
        let writer = try writer(SQLiteJournalTests.settings, reports)
        var entries = RandomEntries(seed: 1)
        var twin = MemoryJournal()
        _ = twin.begin(epoch: 1)
        var ticket: UInt64 = 0
        for _ in 0..<3000 {
            ticket += 1
            let entry = entries.entry()
            twin.commit([entry], now: 0)
            writer.append(entry, ticket: ticket)
        }
        await reports.wait(through: ticket)
        let error = await writer.closed()
        #expect(error == nil)
        #expect(reports.commits == reports.commits.sorted())
        #expect(reports.commits.last == ticket)
        #expect(reports.commits.count < 3000, "what comes during a commit is the next one")
        #expect(reports.refused.isEmpty)
        #expect(writer.pendingByteCount == 0)
        twin.close()
        let state = try recovered()
        // The writer's clock is the real one, beside which every tombstone here is out of date.
        #expect(state.jobs == twin.recover(now: 0).jobs)
        #expect(state.wasClosed && state.epochLast == 1)
        #expect(directory.files == ["journal", "journal-wal"] || directory.files == ["journal"])
    }

    @Test func oneAfterAnotherIsACommitEach() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(), reports)
        let before = disk.logSyncs
        for number in 1...10 as ClosedRange<UInt64> {
            writer.append(.accepted(.sample(number)), ticket: number)
            await reports.wait(through: number)
        }
        #expect(disk.logSyncs - before == 10)
        let error = writer.close()
        #expect(error == nil)
    }

    @Test func aFailedCommitRefusesAcceptancesAndKeepsTheRest() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(), reports)
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        disk.fail(.writeError, count: .max)
        writer.append(ended(1), ticket: 2)
        await reports.wait { $0.contains { if case .failing = $0 { true } else { false } } }
        #expect(writer.admission == .failing)
        // Refused at once, though nothing can be committed.
        writer.append(.accepted(.sample(2)), ticket: 3)
        writer.append(.started(DeliveryKey(job: JobNumber(2), delivery: 1, attempt: 1)), ticket: 4)
        writer.append(ended(2), ticket: 5)
        await reports.wait { _ in reports.refused == [JobNumber(2)] }
        #expect(reports.commits.last == 1, "the end of the first request is not on the disk")
        disk.heal()
        await reports.wait(through: 5)
        #expect(reports.recoveries == 1)
        await reports.wait { _ in reports.admissions == [.failing, .open] }
        #expect(writer.admission == .open)
        writer.append(.accepted(.sample(3)), ticket: 6)
        await reports.wait(through: 6)
        let error = await writer.closed()
        #expect(error == nil)
        let state = try recovered()
        #expect(state.jobs.map(\.number.value) == [1, 3])
        #expect(state.jobs.first?.ending?.failureClass == .deadline)
        #expect(state.wasClosed)
    }

    @Test func aWriterWithNothingToDoFindsOutThatTheDiskIsBack() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(), reports)
        disk.fail(.syncError, count: 2)
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait { _ in reports.refused == [JobNumber(1)] }
        // Its ticket is done with, though nothing of it is on the disk.
        await reports.wait(through: 1)
        await reports.wait { _ in reports.recoveries == 1 && reports.admissions.last == .open }
        #expect(disk.failures == 2)
        let error = await writer.closed()
        #expect(error == nil)
        #expect(try recovered().jobs.isEmpty)
    }

    @Test func aFullDiskRefusesUntilThereIsRoom() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(reserveByteCount: 2 << 20), reports)
        disk.limit(disk.used + 300_000)
        var number: UInt64 = 0
        while reports.refused.isEmpty {
            number += 1
            let body = [Bytes([UInt8](repeating: 1, count: 20_000))]
            writer.append(.accepted(.sample(number, body: body)), ticket: number)
            await reports.wait(through: number)
        }
        #expect(number > 5)
        // Commits work again, from the reserve; what is new stays out.
        await reports.wait { _ in reports.admissions.last == .full }
        for done in 1..<number { writer.append(ended(done), ticket: number + done) }
        await reports.wait(through: 2 * number - 1)
        writer.append(.accepted(.sample(number + 1)), ticket: 2 * number)
        await reports.wait { _ in reports.refused.last == JobNumber(number + 1) }
        disk.limit(nil)
        await reports.wait { _ in reports.admissions.last == .open }
        writer.append(.accepted(.sample(number + 2)), ticket: 2 * number + 1)
        await reports.wait(through: 2 * number + 1)
        let error = await writer.closed()
        #expect(error == nil)
        let state = try recovered()
        #expect(state.jobs.count == Int(number))
        #expect(state.jobs.filter { $0.ending == nil }.map(\.number) == [JobNumber(number + 2)])
    }

    @Test func aJournalAtItsLimitTakesEndsAndThenNewRequests() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(byteCountMax: 500_000), reports)
        var number: UInt64 = 0
        while writer.admission == .open {
            number += 1
            let body = [Bytes([UInt8](repeating: 1, count: 50_000))]
            writer.append(.accepted(.sample(number, body: body)), ticket: number)
            await reports.wait(through: number)
        }
        #expect(writer.admission == .full)
        writer.append(.accepted(.sample(number + 1)), ticket: number + 1)
        await reports.wait { _ in reports.refused == [JobNumber(number + 1)] }
        for done in 1...3 as ClosedRange<UInt64> { writer.append(ended(done), ticket: number + 1 + done) }
        await reports.wait { _ in reports.admissions.last == .open }
        let error = await writer.closed()
        #expect(error == nil)
    }

    @Test func tooMuchThatWaitsIsTold() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(pendingByteCountMax: 100_000), reports)
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        #expect(writer.admission == .open)
        disk.fail(.writeError, count: .max)
        let terminal = StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes([UInt8](repeating: 1, count: 200_000))])
        writer.append(.ended(JobNumber(1), terminal, class: nil, at: 1), ticket: 2)
        await reports.wait { _ in reports.admissions.last == .failing }
        #expect(writer.pendingByteCount > 200_000)
        disk.heal()
        await reports.wait(through: 2)
        await reports.wait { _ in reports.admissions.last == .open }
        #expect(writer.pendingByteCount == 0)
        let error = await writer.closed()
        #expect(error == nil)
        let inbox = JournalInbox(byteCountMax: 1000)
        #expect(inbox.put(.accepted(.sample(1, body: [Bytes([UInt8](repeating: 0, count: 2000))])), ticket: 1))
        #expect(inbox.admission == .behind)
        #expect(!inbox.put(ended(1), ticket: 2), "the writer has been told already")
    }

    @Test func anEndOnADiskThatFailsIsToldAndLosesNothing() async throws {
        let reports = Reports()
        let disk = FaultyFileSystem(journalPath: path)
        let writer = try writer(disk.settings(), reports)
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        disk.fail(.syncError, count: .max)
        writer.append(ended(1), ticket: 2)
        let error = await writer.closed(within: .milliseconds(300))
        #expect(error?.code == .inputOutput)
        #expect(reports.commits == [1])
        disk.heal()
        let state = try recovered()
        #expect(state.jobs.map(\.number.value) == [1])
        #expect(!state.wasClosed)
    }

    @Test func aJournalThatWasRemovedIsNotWrittenToUntilItIsBack() async throws {
        let reports = Reports()
        let writer = try writer(SQLiteJournalTests.settings, reports)
        writer.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        unsafe rename(path, path + ".moved")
        writer.append(ended(1), ticket: 2)
        writer.append(.accepted(.sample(2)), ticket: 3)
        await reports.wait { _ in reports.refused == [JobNumber(2)] }
        #expect(writer.admission == .failing)
        #expect(reports.commits.last == 1)
        #expect(reports.failures.first?.message.contains("was removed or replaced") == true)
        #expect(reports.failures.first?.isTransient == true)
        // Another file at its place is not it.
        File.write(File.read(path + ".moved"), to: path)
        let before = reports.failures.count
        await reports.wait { _ in reports.failures.count > before }
        unsafe rename(path + ".moved", path)
        await reports.wait(through: 3)
        await reports.wait { _ in reports.admissions.last == .open }
        writer.append(.accepted(.sample(3)), ticket: 4)
        await reports.wait(through: 4)
        let error = await writer.closed()
        #expect(error == nil)
        let state = try recovered()
        #expect(state.jobs.map(\.number.value) == [1, 3])
        #expect(state.jobs.first?.ending != nil)
    }

    @Test func theLogOfAnotherBrokerStaysWhenAJournalThatWasRemovedIsClosed() async throws {
        let reports = Reports()
        let first = try writer(SQLiteJournalTests.settings, reports)
        first.append(.accepted(.sample(1)), ticket: 1)
        await reports.wait(through: 1)
        for suffix in ["", "-wal"] { unsafe unlink(path + suffix) }
        var second = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = try second.begin(epoch: 2)
        try second.commit([.accepted(.sample(2))], now: 0)
        let error = await first.closed()
        #expect(error?.message.contains("was removed or replaced") == true)
        #expect(File.size(path + "-wal") > 0)
        _ = consume second
        #expect(try recovered().jobs.map(\.number.value) == [2])
    }
}
