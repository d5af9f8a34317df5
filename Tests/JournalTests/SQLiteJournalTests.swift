import BusProtocol
import CoreTypes
import Glibc
import Testing

@testable import Journal

struct SQLiteJournalTests {
    static let settings = JournalSettings(reserveByteCount: 0, busyMilliseconds: 0)

    @Test(arguments: 0..<4)
    func theFileRecoversWhatItsTwinInMemoryDoes(seed: Int) throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/journal"
        var entries = RandomEntries(seed: UInt64(seed))
        var twin = MemoryJournal()
        var journal = try SQLiteJournal.open(path: path, settings: Self.settings)
        for step in 0..<150 {
            switch entries.number(below: 30) {
            case 0:
                // A crash: the value goes, the file stays as it is.
                journal = try Self.reopened(consume journal)
                #expect(journal.setAside == nil)
            case 1:
                try journal.close()
                twin.close()
                journal = try SQLiteJournal.open(path: path, settings: Self.settings)
            case 2:
                let epoch = Int64(entries.number(below: 50))
                let begun = try journal.begin(epoch: epoch)
                #expect(begun == twin.begin(epoch: epoch))
            default:
                let batch = entries.batch(countMax: seed % 3 == 0 ? 3 : 60)
                try journal.commit(batch, now: entries.now)
                twin.commit(batch, now: entries.now)
            }
            guard step % 10 == 9 else { continue }
            let recovered = try journal.recover(now: entries.now)
            #expect(recovered == twin.recover(now: entries.now), "seed \(seed), step \(step)")
        }
        let state = twin.recover(now: 0)
        #expect(!state.jobs.isEmpty && !state.tombstones.isEmpty)
    }

    /// What the next process finds.
    static func recovered(_ path: String) throws -> RecoveredState {
        var journal = try SQLiteJournal.open(path: path, settings: settings)
        #expect(journal.setAside == nil)
        return try journal.recover(now: 0)
    }

    static func reopened(_ journal: consuming SQLiteJournal) throws -> SQLiteJournal {
        let path = journal.path
        _ = consume journal
        return try SQLiteJournal.open(path: path, settings: settings)
    }
}
