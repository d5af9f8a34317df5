import CoreTypes
import Glibc
import SQLite
import Testing

@testable import Journal

@Suite struct JournalClockTests {
    private let directory = TemporaryDirectory()
    private var path: String { "\(directory.path)/journal" }

    @Test func itBeginsWithTheWallClock() {
        let clock = JournalClock(continuing: nil, boot: "b1", wall: 1_000_000, uptime: 400)
        #expect(clock == JournalClock(boot: "b1", origin: 999_600))
    }

    /// The wall clock was set by a week, forward or back, while the machine ran.
    @Test(arguments: [604_800_000, -604_800_000] as [Int64]) func theWallClockMaySayWhatItWill(step: Int64) {
        let first = JournalClock(continuing: nil, boot: "b1", wall: 1_800_000_000_000, uptime: 400)
        let second = JournalClock(continuing: first, boot: "b1", wall: 1_800_000_000_000 + step, uptime: 900)
        #expect(second == first)
    }

    @Test func afterTheMachinesNextStartTheWallClockTells() {
        let first = JournalClock(boot: "b1", origin: 5)
        let second = JournalClock(continuing: first, boot: "b2", wall: 1_000_000, uptime: 400)
        #expect(second == JournalClock(boot: "b2", origin: 999_600))
        // Where starts cannot be told from each other, each is taken for a new one.
        let unknown = JournalClock(continuing: JournalClock(boot: "", origin: 5), boot: "", wall: 1000, uptime: 400)
        #expect(unknown.origin == 600)
        let absurd = JournalClock(continuing: JournalClock(boot: "b1", origin: -1), boot: "b1", wall: 1000, uptime: 400)
        #expect(absurd.origin == 600)
    }

    /// As a journal that was begun before the wall clock was set back by an hour.
    @Test func aJournalGoesOnWithItsClock() throws {
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = try journal.begin(epoch: 1000)
        let origin = journal.clock.origin
        try journal.close()
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.clock.origin == origin)
        try journal.close()
        do {
            let connection = try Connection(path: path, access: .readWrite)
            try connection.execute("UPDATE meta SET clock_origin = clock_origin + 3600000")
        }
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.clock.origin == origin + 3_600_000)
        _ = try journal.begin(epoch: 2000)
        try journal.close()
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.clock.origin == origin + 3_600_000)
        // Another start of the machine.
        _ = consume journal
        do { try Connection(path: path, access: .readWrite).execute("UPDATE meta SET boot = 'another'") }
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(abs(journal.clock.origin - origin) < 1_800_000)
    }

    @Test func itRuns() {
        let clock = JournalClock.continuing(nil)
        var wall = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &wall)
        #expect(abs(clock.now() - Int64(wall.tv_sec) * 1000) < 60_000)
    }
}
