import CoreTypes
import Journal

/// Where the play meets the journal's files. Without files, only the twin in memory is asked.
extension World {
    /// Keeps entries in the journal for good.
    func keep(_ entries: [JournalEntry]) {
        journal.disk.commit(entries, now: wall)
        withDisk { (disk) throws(JournalError) in try disk.commit(entries, now: wall) }
    }

    /// What the journal has for a broker that starts, and the epoch in force.
    func openJournal() -> (state: RecoveredState, epoch: Int64) {
        compareDisk()
        let state = journal.disk.recover(now: wall)
        let epoch = journal.disk.begin(epoch: wall)
        withDisk { (disk) throws(JournalError) in
            let found = try disk.begin(epoch: wall)
            if found != epoch {
                referee.fail("epochs rise", "the file has epoch \(found.map { "\($0)" } ?? "none"), its twin \(epoch)")
            }
        }
        return (state, epoch)
    }

    /// The broker dies, most often while the journal writes.
    ///
    /// - Returns: How many of the writes that wait were kept, though nobody was told.
    func crashDisk() -> Int {
        let batch = journal.queue[..<journal.inCommit].map(\.entry)
        let step: PlayDisk.Step =
            if !batch.isEmpty, random.chance(0.8) {
                .commit(batch)
            } else {
                random.chance(0.7) ? .checkpoint : .nothing
            }
        var kept = 0
        withDisk { (disk) throws(JournalError) in
            let outcome = try disk.crash(in: step, now: wall, random: &random)
            trace.note(now, outcome.words)
            if outcome.isCut { statistics.logCuts += 1 }
            if outcome.isKept { kept = batch.count }
        }
        return kept
    }

    /// At the end of a play: the broker ends in order or dies, and the files are opened once more.
    func endDisk() {
        guard disk != nil else { return }
        if random.chance(0.5) {
            journal.disk.close()
            withDisk { (disk) throws(JournalError) in try disk.close() }
        } else {
            _ = crashDisk()
        }
        compareDisk()
    }

    private func compareDisk() {
        withDisk { (disk) throws(JournalError) in
            if let words = try disk.open(like: journal.disk, now: wall) {
                referee.fail("what was committed is on disk", words)
            }
        }
    }

    private func withDisk(_ body: (PlayDisk) throws(JournalError) -> Void) {
        guard let disk else { return }
        do throws(JournalError) {
            try body(disk)
        } catch {
            referee.fail("what was committed is on disk", disk.cleaned("\(error)"))
        }
    }

    // MARK: - Bytes

    /// A body for the files: pages of it, but not as many as its request says, so that plays stay fast.
    func filler(_ number: UInt64, byteCount: Int) -> [Bytes] {
        guard disk != nil else { return [] }
        return [Bytes([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: min(byteCount, 12_000)))]
    }
}
