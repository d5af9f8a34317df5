public import BusProtocol
public import CoreTypes

/// A job store in the broker's memory: survives agents and workers, not the broker.
public struct MemoryJobStore: JobStore, ~Copyable {
    private enum Entry {
        case open([Bytes])
        case ended(StoredTerminal)
    }

    private var entries: [JobNumber: Entry] = [:]

    /// An empty store.
    public init() {}

    public var durability: RequestHeader.Durability { .memory }

    /// Bytes of the terminals that are kept.
    public private(set) var terminalBytes = 0

    /// Jobs that are kept.
    public var count: Int { entries.count }

    public mutating func keepRequest(_ job: JobNumber, _ key: RequestKey, body: [Bytes]) {
        precondition(entries[job] == nil, "job \(job) is kept already")
        entries[job] = .open(body)
    }

    public mutating func keepTerminal(_ job: JobNumber, _ terminal: StoredTerminal) {
        guard case .open = entries[job] else { preconditionFailure("job \(job) is not open") }
        entries[job] = .ended(terminal)
        terminalBytes += terminal.byteCount
    }

    public mutating func forget(_ job: JobNumber) {
        if case .ended(let terminal) = entries.removeValue(forKey: job) { terminalBytes -= terminal.byteCount }
    }

    public func body(of job: JobNumber) -> [Bytes]? {
        if case .open(let body) = entries[job] { return body }
        return nil
    }

    public func terminal(of job: JobNumber) -> StoredTerminal? {
        if case .ended(let terminal) = entries[job] { return terminal }
        return nil
    }
}
