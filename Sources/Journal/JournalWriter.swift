public import EventLoop
import Synchronization

/// Writes a journal on a thread of its own: what came while the last commit ran is the next one.
///
/// Entries are appended from any thread, in the order of the decisions, with tickets that rise; reports say which tickets
/// are on the disk. A commit that fails costs the acceptances that wait, which are refused; ends and marks stay in their
/// order and are tried again, after 100 ms at first and 2 s at most.
public final class JournalWriter: Sendable {
    /// An entry on its way to the disk, with its ticket.
    public struct Item: Sendable {
        let entry: JournalEntry
        let ticket: UInt64

        /// Gives an entry a ticket.
        public init(_ entry: JournalEntry, ticket: UInt64) {
            self.entry = entry
            self.ticket = ticket
        }
    }

    private let loop: EventLoop
    private let inbox: JournalInbox
    private let core: WriterCore

    /// Takes the journal over, after ``SQLiteJournal/begin(epoch:)``, and starts the thread.
    ///
    /// - Parameter deliver: Gets the reports, on the writer's thread; must not block.
    /// - Throws: `SystemError` when the system has no descriptors or threads left.
    public init(
        journal: consuming sending SQLiteJournal,
        deliver: @escaping @Sendable (JournalReport) -> Void
    ) throws(SystemError) {
        inbox = JournalInbox(byteCountMax: journal.settings.pendingByteCountMax)
        loop = try EventLoop(name: "journal")
        core = WriterCore(journal: journal, loop: loop, inbox: inbox, deliver: deliver)
        loop.execute { [core] in core.start() }
    }

    /// Appends an entry; never blocks. An acceptance that cannot be written is refused by a report.
    ///
    /// - Parameter ticket: Greater than every ticket before.
    public func append(_ entry: JournalEntry, ticket: UInt64) {
        if inbox.put(entry, ticket: ticket) { loop.execute { [core] in core.work() } }
    }

    /// Appends entries as ``append(_:ticket:)`` does, all of them before the writer looks, and leaves `entries` empty.
    ///
    /// What follows from several messages costs one waking of the writer's thread then, and becomes one commit.
    public func append(_ entries: inout [Item]) {
        if inbox.put(&entries) { loop.execute { [core] in core.work() } }
    }

    /// Whether new requests are taken. To be asked before one is accepted: it costs less than to refuse it afterwards.
    public var admission: JournalAdmission { inbox.admission }

    /// What must be so before a full journal takes new requests, in words that follow "until"; nil while it is not full.
    public var need: String? { inbox.need }

    /// Bytes of the entries that wait for their commit.
    public var pendingByteCount: Int { inbox.pendingByteCount }

    /// Commits what waits, checkpoints, marks the journal as closed and ends the thread. Blocks; to be called once, not
    /// from `deliver`, and nothing is appended any more.
    ///
    /// - Parameter limit: How long commits that fail are tried again.
    /// - Returns: Nil when everything is on the disk and closed in order, else the error; what was reported as committed
    ///   is there in any case.
    public func close(within limit: Duration = .seconds(5)) -> JournalError? {
        loop.execute { [core] in core.end(within: limit) }
        loop.join()
        return inbox.closingError
    }

    /// As ``close(within:)``, for tasks, which must not block.
    public func closed(within limit: Duration = .seconds(5)) async -> JournalError? {
        loop.execute { [core] in core.end(within: limit) }
        await loop.ended()
        return inbox.closingError
    }
}
