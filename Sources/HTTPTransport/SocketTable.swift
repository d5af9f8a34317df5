import EventLoop

/// The sockets that libcurl has told of, by descriptor.
///
/// A kept connection is used again and again, and libcurl takes back its interest after each call. Such a socket stays
/// watched meanwhile: to watch it anew costs the kernel more than to be told of a peer that closes. That needs both ends
/// of its life to be known, since a closed descriptor leaves the kernel's list unseen; so it is done for sockets that
/// ``opened(_:)`` and ``closed(_:)`` tell of, and not for libcurl's own, such as those of its name lookups.
struct SocketTable {
    private struct Entry {
        var isConnection = false
        /// A request went over it: only from then on libcurl tells of its end. One that is still connecting is closed
        /// without ``closed(_:)`` (libcurl 7.88, `cf_socket_close`), and its number may be another's when it is released.
        var isEstablished = false
        var isWatched = false
        var isIdle = false
        /// What libcurl has asked for and not taken back.
        var interest: Interest?
    }

    private var entries: [Entry] = []

    /// The loop watches it.
    func isWatched(_ socket: CInt) -> Bool { self[socket].isWatched }

    /// It is watched, and libcurl does not ask what happens there.
    func isIdle(_ socket: CInt) -> Bool { self[socket].isIdle }

    /// Every socket that the loop watches.
    var watched: [CInt] { entries.indices.filter { entries[$0].isWatched }.map { CInt($0) } }

    /// A connection's socket was made.
    mutating func opened(_ socket: CInt) { self[socket] = Entry(isConnection: true) }

    /// It is about to be closed.
    mutating func closed(_ socket: CInt) { self[socket] = Entry() }

    /// What libcurl has asked for and not taken back. At the opening of a socket: what it asked for a socket with the same
    /// number that it has closed without a word. It does not ask a second time.
    func interest(in socket: CInt) -> Interest? { self[socket].interest }

    /// The loop watches it, and libcurl asks for it.
    mutating func wanted(_ socket: CInt, _ interest: Interest, carriesRequest: Bool) {
        self[socket].interest = interest
        if carriesRequest { self[socket].isEstablished = true }
        self[socket].isWatched = true
        self[socket].isIdle = false
    }

    /// libcurl asks for it no more: whether it may stay watched.
    ///
    /// - Parameters:
    ///   - carriedRequest: A request went over it.
    ///   - isPaused: A call has the connection still and takes nothing for now.
    mutating func released(_ socket: CInt, carriedRequest: Bool = false, isPaused: Bool = false) -> Bool {
        self[socket].interest = nil
        if carriedRequest { self[socket].isEstablished = true }
        guard !isPaused, self[socket].isConnection, self[socket].isEstablished, self[socket].isWatched else {
            return false
        }
        self[socket].isIdle = true
        return true
    }

    /// The loop does not watch it any more.
    mutating func unwatched(_ socket: CInt) {
        self[socket].isWatched = false
        self[socket].isIdle = false
    }

    private subscript(_ socket: CInt) -> Entry {
        get { Int(socket) < entries.count ? entries[Int(socket)] : Entry() }
        set {
            while entries.count <= Int(socket) { entries.append(Entry()) }
            entries[Int(socket)] = newValue
        }
    }
}
