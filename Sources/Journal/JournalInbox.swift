import Synchronization

/// What the writer's thread and the others share.
final class JournalInbox: Sendable {
    typealias Item = JournalWriter.Item

    private struct State {
        var items: [Item] = []
        /// Whether the writer has been told to look.
        var isSignalled = false
        var closingError: JournalError?
        var need: String?
    }

    private let state = Mutex(State())
    private let pending = Atomic<Int>(0)
    private let condition = Atomic<UInt8>(JournalAdmission.open.rawValue)
    private let byteCountMax: Int

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// Leaves an entry; true when the writer must be told to look.
    func put(_ entry: JournalEntry, ticket: UInt64) -> Bool {
        pending.add(entry.byteCount, ordering: .relaxed)
        return state.withLock { state in
            state.items.append(Item(entry, ticket: ticket))
            defer { state.isSignalled = true }
            return !state.isSignalled
        }
    }

    /// Leaves several entries, in their order, and leaves `entries` empty; true when the writer must be told to look.
    func put(_ entries: inout [Item]) -> Bool {
        guard !entries.isEmpty else { return false }
        pending.add(entries.reduce(0) { $0 + $1.entry.byteCount }, ordering: .relaxed)
        defer { entries.removeAll(keepingCapacity: entries.count <= 4096) }
        return state.withLock { state in
            if state.items.isEmpty { swap(&state.items, &entries) } else { state.items += entries }
            defer { state.isSignalled = true }
            return !state.isSignalled
        }
    }

    /// Takes what has come, into the end of `queue`.
    func take(into queue: inout [Item]) {
        state.withLock { state in
            state.isSignalled = false
            if queue.isEmpty { swap(&queue, &state.items) } else { queue += state.items }
            state.items.removeAll(keepingCapacity: state.items.count <= 4096)
        }
    }

    /// Says that entries of so many bytes are done with.
    func release(_ byteCount: Int) { pending.subtract(byteCount, ordering: .relaxed) }

    var pendingByteCount: Int { pending.load(ordering: .relaxed) }

    /// What the writer says of the journal, or that too much waits.
    var admission: JournalAdmission {
        get {
            let told = JournalAdmission(rawValue: condition.load(ordering: .relaxed)) ?? .failing
            guard told == .open, pendingByteCount > byteCountMax else { return told }
            return .behind
        }
        set(told) { condition.store(told.rawValue, ordering: .relaxed) }
    }

    /// What must be so before a full journal takes new requests.
    var need: String? {
        get { state.withLock { $0.need } }
        set { state.withLock { $0.need = newValue } }
    }

    /// Why the end was not in order.
    var closingError: JournalError? {
        get { state.withLock { $0.closingError } }
        set { state.withLock { $0.closingError = newValue } }
    }
}
