import Glibc

/// The socket calls of the mock. Every descriptor is non-blocking and closed on exec.
enum Sockets {
    /// What came of a read.
    enum Received: Equatable {
        case bytes(Int)
        /// The peer sends no more.
        case end
        case wouldBlock
        case failed(CInt)
    }

    /// What came of a write.
    enum Sent: Equatable {
        case bytes(Int)
        case wouldBlock
        case failed(CInt)
    }

    /// What came of an accept.
    enum Accepted: Equatable {
        case connection(CInt)
        /// Nobody is waiting, or the one who was has left.
        case none
        /// Somebody left before being accepted; ask again.
        case again
        /// No descriptors or memory; ask later.
        case exhausted
    }

    /// Listens on a numeric address.
    ///
    /// - Returns: the descriptor and the port, which is the system's choice when `port` is 0.
    static func listen(host: String, port: UInt16) throws(MockError) -> (descriptor: CInt, port: UInt16) {
        var address = try SocketAddress(host: host, port: port)
        let descriptor = socket(
            address.family,
            CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
            0
        )
        guard descriptor >= 0 else { throw failure("socket", host, port) }
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        // Linux hands these two on to accepted connections.
        setOption(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        guard unsafe address.withSockaddr({ unsafe bind(descriptor, $0, $1) }) == 0 else {
            let error = failure("bind", host, port)
            Glibc.close(descriptor)
            throw error
        }
        // The kernel lowers the backlog to net.core.somaxconn.
        guard Glibc.listen(descriptor, 65_535) == 0 else {
            let error = failure("listen", host, port)
            Glibc.close(descriptor)
            throw error
        }
        address.readName(of: descriptor)
        return (descriptor, address.port)
    }

    private static func failure(_ call: String, _ host: String, _ port: UInt16) -> MockError {
        let number = errno
        switch number {
        case EADDRINUSE:
            return MockError(
                code: .portInUse,
                message: "port \(port) on \(host) is already in use; choose another with --port or 0 for any"
            )
        case EACCES, EPERM:
            return MockError(
                code: .portForbidden,
                message: "port \(port) on \(host) is not allowed for this user; choose one above 1023 with --port"
            )
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            return MockError(
                code: .addressInvalid,
                message: "\(host) is no address of this machine; choose another with --host, for example 127.0.0.1"
            )
        default:
            let reason = unsafe String(cString: strerror(number))
            return MockError(code: .system, message: "\(call) on \(host) port \(port) failed: \(reason)")
        }
    }

    /// Takes one waiting connection.
    static func accept(_ listener: CInt) -> Accepted {
        let descriptor = Glibc.accept(listener, nil, nil)
        if descriptor >= 0 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            return .connection(descriptor)
        }
        switch errno {
        case EAGAIN: return .none
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
        default: return .again
        }
    }

    /// Reads into `buffer` what is there.
    static func receive(_ descriptor: CInt, into buffer: inout [UInt8]) -> Received {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Sends bytes from `offset` on, as many as the socket takes; a closed peer raises no signal.
    static func send(_ descriptor: CInt, _ bytes: [UInt8], from offset: Int) -> Sent {
        while true {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset...])
                return unsafe Glibc.send(descriptor, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL))
            }
            if count >= 0 { return .bytes(count) }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Ends our direction; the peer reads the end behind what was sent.
    static func endSending(_ descriptor: CInt) {
        _ = shutdown(descriptor, CInt(SHUT_WR))
    }

    /// Closes the descriptor.
    static func close(_ descriptor: CInt) {
        _ = Glibc.close(descriptor)
    }

    /// Closes the descriptor so that the peer gets a reset (RST) instead of an end.
    static func reset(_ descriptor: CInt) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        _ = Glibc.close(descriptor)
    }

    private static func setOption(_ descriptor: CInt, _ level: CInt, _ name: CInt, _ value: CInt) {
        var value = value
        // These options exist for every TCP socket.
        _ = unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
    }
}

/// A numeric IPv4 or IPv6 address with a port.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length: socklen_t

    /// Reads `host`: IPv4, IPv6, or `localhost` for 127.0.0.1.
    init(host: String, port: UInt16) throws(MockError) {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        let text = host == "localhost" ? "127.0.0.1" : host
        if unsafe inet_pton(AF_INET, text, &v4.sin_addr) == 1 {
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: v4, as: sockaddr_in.self) }
        } else if unsafe inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: v6, as: sockaddr_in6.self) }
        } else {
            throw MockError(
                code: .addressInvalid,
                message: "\"\(host)\" is no numeric address; expected one like 127.0.0.1 or ::1, or localhost"
            )
        }
    }

    /// `AF_INET` or `AF_INET6`.
    var family: CInt { CInt(storage.ss_family) }

    /// The port; both families keep it at the same place.
    var port: UInt16 {
        unsafe withUnsafeBytes(of: storage) { buffer in
            unsafe buffer.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
        }
    }

    /// Lends the address to a socket call.
    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe withUnsafePointer(to: storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }

    /// Becomes the address that `descriptor` is bound to.
    mutating func readName(of descriptor: CInt) {
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
        }
    }
}
