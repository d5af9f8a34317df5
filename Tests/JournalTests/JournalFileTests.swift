import BusProtocol
import CoreTypes
import Glibc
import SQLite
import Testing

@testable import Journal

/// Files that are new, foreign, newer, damaged, locked, or not quite there.
struct JournalFileTests {
    let directory = TemporaryDirectory()
    var path: String { "\(directory.path)/journal" }

    private func failure(_ settings: JournalSettings = SQLiteJournalTests.settings) -> JournalError? {
        do throws(JournalError) {
            let journal = try SQLiteJournal.open(path: path, settings: settings)
            _ = consume journal
            return nil
        } catch {
            return error
        }
    }

    @Test func onlyTheOwnerReadsItsFiles() throws {
        var journal = try SQLiteJournal.open(path: path, settings: JournalSettings(reserveByteCount: 65536))
        _ = try journal.begin(epoch: 1)
        #expect(directory.files == ["journal", "journal-wal", "journal.reserve"])
        for name in directory.files { #expect(File.mode("\(directory.path)/\(name)") == 0o600, "\(name)") }
        try journal.close()
        #expect(directory.files == ["journal", "journal.reserve"])
        unsafe chmod(path, 0o644)
        let again = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = consume again
        #expect(File.mode(path) == 0o600)
    }

    @Test func epochsRiseWhateverTheClockSays() throws {
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(try journal.recover(now: 0) == RecoveredState())
        #expect(try journal.begin(epoch: 1000) == 1000)
        #expect(try journal.recover(now: 0).wasClosed == false)
        try journal.close()
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(try journal.recover(now: 0) == RecoveredState(epochLast: 1000))
        #expect(try journal.begin(epoch: 1000) == 1001)
        #expect(try journal.begin(epoch: 5) == 1002)
        #expect(try journal.begin(epoch: 2000) == 2000)
    }

    @Test func aFileThatIsNoDatabaseIsLeftAlone() throws {
        for text in ["x", String(repeating: "these are notes\n", count: 1000)] {
            File.write(text.utf8, to: path)
            let error = failure()
            #expect(error?.code == .foreign)
            #expect(error?.message.contains("\(path) is no SQLite database") == true)
            #expect(File.read(path) == Array(text.utf8))
            #expect(directory.files == ["journal"])
        }
    }

    @Test(arguments: [false, true])
    func theDatabaseOfAnotherProgramIsLeftAlone(usesLog: Bool) throws {
        // As another process would leave it in the middle of its work.
        let original = "\(directory.path)/original"
        let connection = try Connection(path: original, access: .create)
        if usesLog { try connection.useWriteAheadLog(synchronous: .normal) }
        try connection.execute("CREATE TABLE accounts (a); INSERT INTO accounts VALUES (1); PRAGMA application_id = 77")
        if usesLog { try connection.checkpoint() }
        try connection.execute("INSERT INTO accounts VALUES (2)")
        let database = File.read(original)
        let log = File.read(original + "-wal")
        #expect(log.isEmpty != usesLog)
        File.write(database, to: path)
        if usesLog { File.write(log, to: path + "-wal") }
        let error = failure()
        #expect(error?.code == .foreign)
        #expect(error?.message.contains("application id 77, expected \(JournalSchema.applicationID)") == true)
        #expect(File.read(path) == database)
        #expect(File.read(path + "-wal") == log)
    }

    @Test func aNewerFileIsLeftAlone() throws {
        do {
            let journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
            try journal.close()
        }
        do { try Connection(path: path, access: .readWrite).setUserVersion(9) }
        let bytes = File.read(path)
        let error = failure()
        #expect(error?.code == .newer)
        #expect(error?.isTransient == false)
        #expect(error?.message.contains("version 9 of the journal's tables, and this program knows 3") == true)
        #expect(File.read(path) == bytes)
    }

    @Test func thereIsOneBrokerAtAFile() throws {
        let first = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        let error = failure()
        #expect(error?.code == .inUse)
        #expect(error?.message.contains("another process holds the journal \(path)") == true)
        _ = consume first
        #expect(failure() == nil)
    }

    @Test func aPlaceThatCannotBeUsedIsNamed() throws {
        unsafe symlink("\(directory.path)/elsewhere", path)
        #expect(failure()?.message == "cannot open the journal \(path): it is a symbolic link; expected a file")
        unsafe unlink(path)
        unsafe mkdir(path, 0o700)
        #expect(failure()?.code == .foreign)
        #expect(failure()?.message.contains("is no regular file") == true)
        unsafe rmdir(path)
        let missing = "\(directory.path)/none/journal"
        let error = #expect(throws: JournalError.self) { _ = try SQLiteJournal.open(path: missing) }
        #expect(error?.code == .unusable)
        #expect(error?.message.contains(missing) == true)
    }

    @Test func anEmptyFileBecomesAJournal() throws {
        File.write([], to: path)
        File.write(Array("left over".utf8), to: path + ".new")
        #expect(failure() == nil)
        #expect(try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings).setAside == nil)
        #expect(!directory.files.contains("journal.new"))
    }

    @Test func aLogWithoutItsDatabaseIsSetAside() throws {
        var entries = RandomEntries(seed: 1)
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        for _ in 0..<5 { try journal.commit(entries.batch(countMax: 20), now: entries.now) }
        _ = consume journal
        unsafe unlink(path)
        let log = File.read(path + "-wal")
        var second = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(second.setAside?.contains("is gone and has left a log") == true)
        #expect(try second.recover(now: 0) == RecoveredState())
        let moved = directory.files.filter { $0.hasPrefix("journal.corrupt-") && $0.hasSuffix("-wal") }
        #expect(moved.count == 1)
        #expect(moved.first.map { File.read("\(directory.path)/\($0)") } == log)
    }

    @Test(arguments: 0..<6)
    func aDamagedFileIsSetAsideAndANewOneBegun(seed: Int) throws {
        var entries = RandomEntries(seed: UInt64(seed))
        var twin = MemoryJournal()
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = try journal.begin(epoch: 7)
        _ = twin.begin(epoch: 7)
        for _ in 0..<20 {
            let batch = entries.batch(countMax: 20)
            try journal.commit(batch, now: entries.now)
            twin.commit(batch, now: entries.now)
        }
        try journal.close()
        // Not closed, for who comes after.
        do { try Connection(path: path, access: .readWrite).execute("UPDATE meta SET closed = 0") }
        var bytes = File.read(path)
        let pageCount = bytes.count / 4096
        // A page that is lost, after the first, whose loss makes it another program's file.
        let page = 1 + entries.number(below: pageCount - 1)
        for index in 0..<4096 { bytes[page * 4096 + index] = seed % 2 == 0 ? 0 : UInt8(entries.number(below: 256)) }
        File.write(bytes, to: path)
        var second = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        let state = try second.recover(now: 0)
        guard let notice = second.setAside else {
            // Only a page that holds nothing, or no more than bytes of a body, may be lost without a word.
            #expect(state.jobs.map(\.number) == twin.recover(now: 0).jobs.map(\.number))
            return
        }
        #expect(state == RecoveredState())
        #expect(notice.contains("is damaged") && notice.contains(".corrupt-"))
        let moved = directory.files.filter { $0.hasPrefix("journal.corrupt-") }
        #expect(moved.count == 1)
        #expect(moved.first.map { File.read("\(directory.path)/\($0)") } == bytes, "it is kept as it was found")
        #expect(try second.begin(epoch: 8) == 8)
        try second.commit(entries.batch(countMax: 20), now: entries.now)
    }

    @Test func aJournalThatDoesNotSayWhichEpochItHasIsDamaged() throws {
        let changes = [
            "DELETE FROM meta", "UPDATE meta SET epoch = 9223372036854775807", "UPDATE meta SET epoch = -1",
        ]
        for (index, change) in changes.enumerated() {
            let path = "\(path)-\(index)"
            do {
                var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
                try journal.commit([.accepted(.sample(1))], now: 0)
                try journal.close()
            }
            do { try Connection(path: path, access: .readWrite).execute(change) }
            var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
            #expect(try journal.recover(now: 0) == RecoveredState(), "\(change)")
            #expect(journal.setAside?.contains("is damaged") == true, "\(change): \(journal.setAside ?? "")")
        }
    }

    @Test func aTombstoneThatCannotBeReadIsPassedOver() throws {
        let changes = [
            "UPDATE tombstone SET id = 'no id' WHERE seq = 1", "UPDATE tombstone SET hash = x'00' WHERE seq = 1",
            "UPDATE tombstone SET number = -1 WHERE seq = 1", "UPDATE tombstone SET tenant = -1 WHERE seq = 1",
            "UPDATE tombstone SET until = 9223372036854775807 WHERE seq = 1",
        ]
        for (index, change) in changes.enumerated() {
            let path = "\(path)-\(index)"
            do {
                var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
                try journal.commit((1...3).map { .accepted(.sample($0)) }, now: 0)
                try journal.commit((1...2).map { .forgotten(JobNumber($0), rememberedUntil: 100) }, now: 0)
                try journal.close()
            }
            do { try Connection(path: path, access: .readWrite).execute(change) }
            var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
            let state = try journal.recover(now: 0)
            #expect(journal.setAside == nil, "\(change)")
            #expect(state.jobs.map(\.number.value) == [3], "\(change)")
            #expect(state.tombstones.map(\.number.value) == [2], "\(change)")
            #expect(journal.passedOver?.contains("remembered ids that cannot be read: 1 (") == true, "\(change)")
        }
    }

    @Test func aFileOfTheFirstVersionIsBroughtForward() throws {
        do {
            var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
            try journal.commit([.accepted(.sample(1))], now: 0)
            try journal.close()
        }
        do {
            try Connection(path: path, access: .readWrite).execute(
                "DROP TABLE death; ALTER TABLE meta DROP COLUMN boot; ALTER TABLE meta DROP COLUMN clock_origin; "
                    + "PRAGMA user_version = 1"
            )
        }
        var twin = MemoryJournal()
        twin.commit([.accepted(.sample(1)), .died(JobNumber(1), deaths: 2)], now: 0)
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        #expect(journal.setAside == nil)
        try journal.commit([.died(JobNumber(1), deaths: 2)], now: 0)
        #expect(try journal.recover(now: 0).jobs == twin.recover(now: 0).jobs)
    }

    @Test func anOlderFileIsBroughtForward() throws {
        var twin = MemoryJournal()
        var entries = RandomEntries(seed: 5)
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        let batch = entries.batch(countMax: 50)
        try journal.commit(batch, now: entries.now)
        twin.commit(batch, now: entries.now)
        _ = consume journal
        let broken = JournalSchema(steps: JournalSchema.current.steps + ["CREATE TABLE later (a INTEGER); nonsense"])
        #expect(throws: JournalError.self) {
            _ = try SQLiteJournal(path: path, settings: SQLiteJournalTests.settings, schema: broken)
        }
        // The step that failed left nothing behind.
        journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        _ = consume journal
        let next = JournalSchema(steps: JournalSchema.current.steps + ["CREATE TABLE later (a INTEGER)"])
        var later = try SQLiteJournal(path: path, settings: SQLiteJournalTests.settings, schema: next)
        #expect(later.setAside == nil)
        #expect(try later.recover(now: 0) == twin.recover(now: 0))
        _ = consume later
        let error = failure()
        #expect(error?.code == .newer)
        #expect(error?.message.contains("version 4") == true)
    }

    @Test func theOtherPlaceOfTombstonesMovesWhenAllOfThemDo() {
        // As many as a power of two, and each time all of them are new.
        let count: Int64 = 65536
        let places = (0..<1000).map { (turn: Int64) -> Int64 in
            let first = turn * count + 1
            return TombstoneRule.place(first: first, last: first + count - 1) - first
        }
        #expect(places.allSatisfy { (0..<count).contains($0) })
        for part in 0..<10 {
            let found = places.count { $0 * 10 / count == Int64(part) }
            #expect((50...200).contains(found), "\(found) of 1000 places in part \(part) of 10")
        }
    }

    @Test func tombstonesDoNotPileUp() throws {
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        var number: UInt64 = 0
        var now: Int64 = 0
        func commit(_ count: Int) throws {
            var entries: [JournalEntry] = []
            for _ in 0..<count {
                number += 1
                entries += [.accepted(.sample(number)), .forgotten(JobNumber(number), rememberedUntil: now + 1000)]
            }
            now += 10
            try journal.commit(entries, now: now)
        }
        for _ in 0..<300 { try commit(40) }
        let state = try journal.recover(now: 0)
        #expect(state.tombstones.count >= 99 * 40 && state.tombstones.count < 110 * 40)
        #expect(try journal.recover(now: now).tombstones.count == 99 * 40)
        #expect(state.numberLast == JobNumber(number))
        #expect(try journal.recover(now: .max).tombstones.isEmpty)
    }

    @Test func tombstonesOfAClockThatWasAheadDoNotHideTheRest() throws {
        var journal = try SQLiteJournal.open(path: path, settings: SQLiteJournalTests.settings)
        var twin = MemoryJournal()
        var number: UInt64 = 0
        var now: Int64 = 0
        func commit(_ count: Int, ahead: Int64 = 0) throws {
            var entries: [JournalEntry] = []
            for _ in 0..<count {
                number += 1
                let time = now + 1000 + ahead
                entries += [.accepted(.sample(number)), .forgotten(JobNumber(number), rememberedUntil: time)]
            }
            now += 10
            try journal.commit(entries, now: now)
            twin.commit(entries, now: now)
            if number % 7 == 0 { #expect(try journal.recover(now: now) == twin.recover(now: now)) }
        }
        for _ in 0..<10 { try commit(40, ahead: 1_000_000) }
        for _ in 0..<600 { try commit(40) }
        let count = try journal.recover(now: 0).tombstones.count
        // Of the 24,000 behind them 4000 are not out of date.
        #expect(count > 4000 && count < 10_000, "\(count)")
        #expect(try journal.recover(now: now).tombstones.count == 400 + 99 * 40)
        now += 2_000_000
        for _ in 0..<300 { try commit(1) }
        #expect(try journal.recover(now: 0).tombstones.count < 2000)
        #expect(try journal.recover(now: 0) == twin.recover(now: 0))
    }
}
