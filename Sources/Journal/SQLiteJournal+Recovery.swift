public import BusProtocol
public import CoreTypes
import SQLite

extension SQLiteJournal {
    /// What the journal knows; see ``JournalStore/recover(now:)``.
    ///
    /// When the file turns out to be damaged it is set aside as at opening, and the state is that of a new one. A row that is
    /// not as it was written costs only what it is about: see ``RecoveredJob/damage`` and ``passedOver``.
    public mutating func recover(now: Int64) throws(JournalError) -> RecoveredState {
        try recover(now: now, digest: nil)
    }

    /// As ``recover(now:)``, and a body that is not the one that was accepted is damage, too: it must not go to a model.
    ///
    /// - Parameter digest: The body hash of some frames.
    public mutating func recover(
        now: Int64,
        digest: (@Sendable ([Bytes]) -> BodyHash)?
    ) throws(JournalError) -> RecoveredState {
        try replacingDamaged { (journal) throws(JournalError) in
            let (state, damage) = try journal.withStatements { (statements) throws(SQLiteError) in
                var reading = JournalReading(connection: statements.connection, now: now, digest: digest)
                let state = try reading.state()
                statements.damage = reading.damage.repairs
                return (state, reading.damage)
            }
            journal.passedOver = damage.words(path: journal.path)
            return state
        }
    }
}
