import BusProtocol
import CoreTypes
import Glibc
import Journal
import Testing

@testable import Simulation

/// The files of whole plays, as the dispatcher and its broker write them.
struct PlayedJournalTests {
    /// What a play wrote, with the bytes of the log after each step and what the twin in memory knows then.
    private struct Replay {
        let directory = TemporaryDirectory()
        var states: [(end: Int, twin: MemoryJournal)] = [(0, MemoryJournal())]
        var database: [UInt8] = []
        var log: [UInt8] = []

        init(_ writes: [PlayDisk.Write]) throws {
            let path = "\(directory.path)/journal"
            var twin = MemoryJournal()
            var journal = try SQLiteJournal.open(path: path, settings: JournalSettings(reserveByteCount: 0))
            for write in writes {
                switch write {
                case .begin(let epoch):
                    _ = try journal.begin(epoch: epoch)
                    _ = twin.begin(epoch: epoch)
                case .commit(let entries, let now):
                    try journal.commit(entries, now: now)
                    twin.commit(entries, now: now)
                }
                states.append((File.size(path + "-wal"), twin))
            }
            database = File.read(path)
            log = File.read(path + "-wal")
        }

        /// What a broker finds that opens a copy with the first `cut` bytes of the log.
        func recovered(cut: Int) throws -> RecoveredState {
            let copy = "\(directory.path)/copy"
            File.write(database, to: copy)
            File.write(log[..<cut], to: copy + "-wal")
            var journal = try SQLiteJournal.open(path: copy, settings: JournalSettings(reserveByteCount: 0))
            #expect(journal.setAside == nil)
            return try journal.recover(now: 0)
        }

        /// What the twin knew when the log had `cut` bytes at most.
        func expected(cut: Int) -> RecoveredState? { states.last { $0.end <= cut }?.twin.recover(now: 0) }
    }

    /// Plays with files, from the first seed on.
    private static func plays() -> some Sequence<World> {
        (UInt64(1)...20_000).lazy.map { World(seed: $0, tracing: true) }.filter { $0.disk != nil }
    }

    @Test func theLogOfAPlayCutAnywhereIsItsTwinAtTheLastCommitBefore() throws {
        // Small enough to be opened at each frame, and with brokers that died.
        var found: [PlayDisk.Write]?
        for world in Self.plays() where found == nil {
            world.disk?.writes = []
            world.play()
            if let writes = world.disk?.writes, (30...80).contains(writes.count), world.statistics.logCuts > 0 {
                found = writes
            }
            world.takeApart()
        }
        let replay = try Replay(try #require(found))
        let frame = TornWrite.frameByteCount
        let frameCount = (replay.log.count - TornWrite.logHeaderByteCount) / frame
        #expect(frameCount > 100)
        var random = SeededGenerator(seed: 1)
        for cut in [0, 1, TornWrite.logHeaderByteCount - 1] {
            #expect(try replay.recovered(cut: cut) == MemoryJournal().recover(now: 0), "cut at \(cut)")
        }
        for index in 0..<frameCount {
            let end = TornWrite.logHeaderByteCount + index * frame
            // Between frames, in the header of the next one, in its page.
            for cut in [end, end + 1 + random.below(23), end + 24 + random.below(frame - 24)] {
                #expect(try replay.recovered(cut: cut) == replay.expected(cut: cut), "cut at \(cut)")
            }
        }
        #expect(try replay.recovered(cut: replay.log.count) == replay.states.last?.twin.recover(now: 0))
    }

    @Test func aPlayWithFilesRepeatsItselfAndLeavesNone() throws {
        for first in Self.plays().prefix(4) {
            first.play()
            let second = World(seed: first.seed, tracing: true)
            second.play()
            #expect(first.trace.lines == second.trace.lines)
            let directories = [try #require(first.disk?.directory), try #require(second.disk?.directory)]
            #expect(Set(directories).count == 2)
            first.takeApart()
            second.takeApart()
            for directory in directories { #expect(unsafe access(directory, F_OK) != 0) }
        }
    }

    @Test func aFileThatIsNotItsTwinIsNoticed() throws {
        let disk = PlayDisk(logPageCountIdle: 2000)
        var twin = MemoryJournal()
        #expect(try disk.open(like: twin, now: 0) == nil)
        #expect(try disk.begin(epoch: 7) == twin.begin(epoch: 7))
        let entries = [JournalEntry.accepted(.sample(1))]
        try disk.commit(entries, now: 0)
        var random = SeededGenerator(seed: 1)
        _ = try disk.crash(in: .nothing, now: 0, random: &random)
        let words = try disk.open(like: twin, now: 0)
        let expected =
            "the file has epoch 7, open, 1 jobs, 0 tombstones, last number #1, "
            + "its twin epoch 7, open, 0 jobs, 0 tombstones, last number none"
        #expect(words == expected)
        twin.commit(entries, now: 0)
        _ = try disk.crash(in: .nothing, now: 0, random: &random)
        #expect(try disk.open(like: twin, now: 0) == nil)
    }

    @Test func aDamagedFileIsTheSameViolationEachTime() throws {
        var texts: Set<String> = []
        for _ in 0..<2 {
            let disk = PlayDisk(logPageCountIdle: 2000)
            #expect(try disk.open(like: MemoryJournal(), now: 0) == nil)
            try disk.close()
            let path = try #require(disk.directory) + "/journal"
            var bytes = File.read(path)
            for index in 100..<bytes.count { bytes[index] = 0xFF }
            File.write(bytes, to: path)
            let words = try disk.open(like: MemoryJournal(), now: 0)
            texts.insert(try #require(words))
        }
        #expect(texts.count == 1)
        #expect(texts.first?.hasPrefix("the journal journal is damaged (") == true)
    }

    /// What may be left of a write that nobody was told of, many times: the commit is there whole or not at all.
    @Test func aTornWriteLeavesAllOfACommitOrNothing() throws {
        var random = SeededGenerator(seed: 5)
        var entries = RandomEntries(seed: 5, bodyByteCountMax: 9000)
        var twin = MemoryJournal()
        let disk = PlayDisk(logPageCountIdle: 12)
        var kept = 0
        var cut = 0
        for round in 0..<150 {
            let words = try disk.open(like: twin, now: entries.now)
            try #require(words == nil, "round \(round)")
            #expect(try disk.begin(epoch: 1) == twin.begin(epoch: 1))
            for _ in 0..<random.below(4) {
                let batch = entries.batch(countMax: 8)
                try disk.commit(batch, now: entries.now)
                twin.commit(batch, now: entries.now)
            }
            let batch = entries.batch(countMax: 8)
            let step: PlayDisk.Step = round % 5 == 0 ? .checkpoint : .commit(batch)
            let outcome = try disk.crash(in: step, now: entries.now, random: &random)
            if outcome.isKept {
                twin.commit(batch, now: entries.now)
                kept += 1
            }
            if outcome.isCut { cut += 1 }
        }
        #expect(kept > 3 && cut > 50)
    }
}
