/// Who is at the other end of an `ipc` connection, as the kernel knew it when the connection was made.
public struct PeerAddress: Hashable, Sendable {
    /// Effective user id.
    public var uid: UInt32

    /// Effective group id.
    public var gid: UInt32

    /// Process id; 0 when the process lives in another pid namespace.
    public var pid: Int32

    /// Makes an address of its parts.
    public init(uid: UInt32, gid: UInt32, pid: Int32) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
    }

    /// Reads libzmq's `Peer-Address` property, `localhost:uid:gid:pid`; nil for `tcp` peers and for anything else.
    ///
    /// The format is libzmq's own and undocumented (`ipc_listener.cpp`, 4.3.4): it is read from the right, and a broker
    /// should check at its start that it still holds.
    public init?(property text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "localhost",
            let uid = UInt32(parts[1]), let gid = UInt32(parts[2]), let pid = Int32(parts[3]), pid >= 0
        else { return nil }
        self.init(uid: uid, gid: gid, pid: pid)
    }
}
