import Dispatch

/// The live connections of one socket: who they are, and which descriptor stands for which.
///
/// libzmq names a connection by its routing id in messages and by its descriptor in monitor events; descriptors are used
/// again. Pure; the shell tells it what it sees.
struct Connections {
    /// What is known of a connection.
    struct Entry {
        /// Nil when the connection has ended.
        var descriptor: CInt?
        var uid: UInt32
        var pid: Int32?
        var outbox = Outbox()
    }

    private(set) var entries: [ConnectionID: Entry] = [:]
    private var byDescriptor: [CInt: ConnectionID] = [:]
    /// Descriptors whose last connection has ended: what still comes from one of them is of a peer that is gone.
    private var ended: Set<CInt> = []

    subscript(_ connection: ConnectionID) -> Entry? {
        get { entries[connection] }
        _modify { yield &entries[connection] }
    }

    /// True from a connection's first message on.
    func contains(_ connection: ConnectionID) -> Bool { entries.index(forKey: connection) != nil }

    /// The user on whose behalf a connection was made; nil for one that is not known.
    func user(of connection: ConnectionID) -> UInt32? { entries[connection]?.uid }

    /// Enters a connection at its first message. Gives the connection whose descriptor it has taken over, if that one's
    /// end was not seen yet. A connection that has ended already is entered without a descriptor: nothing more will tell
    /// of its end.
    mutating func enter(_ connection: ConnectionID, _ entry: Entry) -> ConnectionID? {
        entries[connection] = entry
        guard let descriptor = entry.descriptor else { return nil }
        guard !ended.contains(descriptor) else {
            entries[connection]?.descriptor = nil
            return nil
        }
        // Messages of different peers come in any order: the older of two that had the descriptor is the one that is gone.
        // libzmq counts its routing ids up (router_t::identify_peer).
        if let other = byDescriptor[descriptor], Int32(bitPattern: other.value &- connection.value) > 0 {
            entries[connection]?.descriptor = nil
            return nil
        }
        let former = byDescriptor.updateValue(connection, forKey: descriptor)
        return former == connection ? nil : former
    }

    /// A new connection has this descriptor: gives the one that had it, if that one's end was not seen.
    mutating func begin(descriptor: CInt) -> ConnectionID? {
        let former = end(descriptor: descriptor)
        ended.remove(descriptor)
        return former
    }

    /// The connection of this descriptor ended: gives it, if it had said anything.
    mutating func end(descriptor: CInt) -> ConnectionID? {
        ended.insert(descriptor)
        guard let connection = byDescriptor.removeValue(forKey: descriptor) else { return nil }
        entries[connection]?.descriptor = nil
        return connection
    }

    /// A connection turned out to have ended; false when that was known.
    mutating func lose(_ connection: ConnectionID) -> Bool {
        guard let descriptor = entries[connection]?.descriptor else { return false }
        entries[connection]?.descriptor = nil
        if byDescriptor[descriptor] == connection { byDescriptor[descriptor] = nil }
        return true
    }

    /// Forgets a connection.
    mutating func remove(_ connection: ConnectionID) {
        guard let entry = entries.removeValue(forKey: connection), let descriptor = entry.descriptor else { return }
        if byDescriptor[descriptor] == connection { byDescriptor[descriptor] = nil }
    }
}
