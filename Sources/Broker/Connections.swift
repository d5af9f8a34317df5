import Dispatch

/// The live connections of one socket: who they are, and which descriptor stands for which.
///
/// libzmq names a connection by its routing id in messages and by its descriptor in monitor events; descriptors are used
/// again. Pure; the shell tells it what it sees.
struct Connections {
    /// What is known of a connection.
    struct Entry {
        var descriptor: CInt?
        var uid: UInt32
        var pid: Int32?
        var outbox = Outbox()
    }

    private(set) var entries: [ConnectionID: Entry] = [:]
    private var byDescriptor: [CInt: ConnectionID] = [:]

    subscript(_ connection: ConnectionID) -> Entry? {
        get { entries[connection] }
        _modify { yield &entries[connection] }
    }

    /// True from a connection's first message on.
    func contains(_ connection: ConnectionID) -> Bool { entries.index(forKey: connection) != nil }

    /// The user on whose behalf a connection was made; nil for one that is not known.
    func user(of connection: ConnectionID) -> UInt32? { entries[connection]?.uid }

    /// Enters a connection at its first message. Gives the connection whose descriptor it has taken over, if that one's
    /// end was not seen yet.
    mutating func enter(_ connection: ConnectionID, _ entry: Entry) -> ConnectionID? {
        entries[connection] = entry
        guard let descriptor = entry.descriptor else { return nil }
        let former = byDescriptor.updateValue(connection, forKey: descriptor)
        return former == connection ? nil : former
    }

    /// A connection of this descriptor ended, or a new one has it: gives the one that it was.
    mutating func end(descriptor: CInt) -> ConnectionID? {
        guard let connection = byDescriptor.removeValue(forKey: descriptor) else { return nil }
        entries[connection]?.descriptor = nil
        return connection
    }

    /// Forgets a connection.
    mutating func remove(_ connection: ConnectionID) {
        guard let entry = entries.removeValue(forKey: connection), let descriptor = entry.descriptor else { return }
        if byDescriptor[descriptor] == connection { byDescriptor[descriptor] = nil }
    }
}
