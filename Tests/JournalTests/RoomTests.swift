import BusProtocol
import CoreTypes
import Glibc
import Synchronization
import Testing

@testable import Journal

/// What still works on a disk without room, and what is asked of a small one.
@Suite(.timeLimit(.minutes(10)))
struct RoomTests {
    let directory = TemporaryDirectory()
    var path: String { "\(directory.path)/journal" }

    private static func reply(_ number: UInt64, byteCount: Int) -> JournalEntry {
        let body = [Bytes([UInt8](repeating: 1, count: byteCount))]
        return .ended(JobNumber(number), StoredTerminal(.reply, header: Bytes("{}"), body: body), class: nil, at: 1)
    }

    /// What the writer says it needs while it is full; filled in on its thread.
    private final class Needs: Sendable {
        private let state = Mutex<(writer: JournalWriter?, whileFull: String?)>((nil, nil))

        var writer: JournalWriter? {
            get { state.withLock { $0.writer } }
            set { state.withLock { $0.writer = newValue } }
        }
        var whileFull: String? { state.withLock { $0.whileFull } }

        func note(_ admission: JournalAdmission) {
            guard admission == .full else { return }
            state.withLock { $0.whileFull = $0.writer?.need }
        }
    }

    @Test func aBurstOfEndsGoesInByPartsWhenItDoesNotFitAtOnce() async throws {
        let disk = FaultyFileSystem(journalPath: path)
        do {
            // Free pages in the database for all of the answers, and no log.
            var journal = try SQLiteJournal.open(path: path, settings: disk.settings(reserveByteCount: 1 << 20))
            let body = [Bytes([UInt8](repeating: 1, count: 150_000))]
            for number in 1...50 as ClosedRange<UInt64> {
                try journal.commit([.accepted(.sample(number, body: body))], now: 0)
            }
            try journal.commit((1...50).map { .forgotten(JobNumber($0), rememberedUntil: 1) }, now: 0)
            try journal.close()
        }
        var journal = try SQLiteJournal.open(path: path, settings: disk.settings(reserveByteCount: 1 << 20))
        _ = try journal.begin(epoch: 1)
        let reports = JournalWriterTests.Reports()
        let needs = Needs()
        let writer = try JournalWriter(journal: journal) { report in
            if case .admission(let admission) = report { needs.note(admission) }
            reports.put(report)
        }
        needs.writer = writer
        for number in 101...140 as ClosedRange<UInt64> { writer.append(.accepted(.sample(number)), ticket: number) }
        await reports.wait(through: 140)
        disk.limit(disk.used + 65536)
        var ends = (101...140).map {
            JournalWriter.Item(Self.reply(UInt64($0), byteCount: 150_000), ticket: UInt64($0) + 100)
        }
        writer.append(&ends)
        await reports.wait(through: 240)
        #expect(reports.recoveries >= 1, "all at once was too much")
        // Full for as long as the reserve is not set aside again; that is tried every second, on the real disk.
        await reports.wait { _ in reports.admissions.contains(.full) }
        #expect(needs.whileFull == "its disk has 2 MiB free")
        disk.limit(nil)
        await reports.wait { _ in reports.admissions.last == .open }
        #expect(writer.need == nil)
        let error = await writer.closed()
        #expect(error == nil)
        let state = try SQLiteJournalTests.recovered(path)
        #expect(state.jobs.filter { $0.ending?.isReply == true }.count == 40)
    }

    @Test func aBrokerStartsOnAFullDiskWithItsReserve() throws {
        let disk = FaultyFileSystem(journalPath: path)
        let settings = disk.settings(reserveByteCount: 1 << 20)
        do {
            var journal = try SQLiteJournal.open(path: path, settings: settings)
            _ = try journal.begin(epoch: 1)
            try journal.commit([.accepted(.sample(1))], now: 0)
            try journal.close()
        }
        // What the closed files have is not counted: only the reserve, and no room for a log beside it.
        disk.limit(File.size(path) + (1 << 20))
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        #expect(try journal.begin(epoch: 2) == 2)
        let isFull = try journal.isFull
        #expect(isFull)
        try journal.commit([Self.reply(1, byteCount: 1000)], now: 0)
        #expect(try journal.recover(now: 0).jobs.first?.ending?.isReply == true)
    }

    @Test(.enabled(if: SmallDisk.isPossible), arguments: [(24, 5 << 20, 6 << 20), (4, 1 << 20, 1 << 20)])
    func aSmallDiskHasASmallReserve(mebibytes: Int, least: Int, most: Int) throws {
        let disk = try SmallDisk(byteCount: mebibytes << 20)
        let path = "\(disk.path)/journal"
        var journal = try SQLiteJournal.open(path: path)
        let isFull = try journal.isFull
        #expect(!isFull)
        #expect((least...most).contains(File.size(path + ".reserve")))
        _ = try journal.begin(epoch: 1)
        try journal.commit([.accepted(.sample(1))], now: 0)
    }

    @Test(.enabled(if: SmallDisk.isPossible))
    func aDiskWithoutRoomForAReserveSaysWhatItNeeds() throws {
        let disk = try SmallDisk(byteCount: 1 << 20)
        let journal = try SQLiteJournal.open(path: "\(disk.path)/journal")
        let isFull = try journal.isFull
        let need = journal.need
        #expect(isFull)
        #expect(need == "its disk has 2 MiB free")
        _ = consume journal
    }
}
