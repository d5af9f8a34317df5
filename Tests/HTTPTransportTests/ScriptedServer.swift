import Glibc
import Synchronization

/// A raw TCP server on a free port of 127.0.0.1 that does to each connection what a script says.
///
/// Each connection has a thread with blocking calls, so that a script reads as a list of steps. A step that waits
/// gives up after 10 min, so that a failed test leaves no thread behind.
final class ScriptedServer: Sendable {
    /// One accepted connection, used by its own thread only.
    final class Connection: Sendable {
        let descriptor: CInt
        let number: Int
        private let server: ScriptedServer

        fileprivate init(_ descriptor: CInt, number: Int, server: ScriptedServer) {
            self.descriptor = descriptor
            self.number = number
            self.server = server
        }

        /// Reads one request with its body; nil when the client closed.
        func readRequest() -> String? {
            var bytes: [UInt8] = []
            while !bytes.ends(withText: "\r\n\r\n") {
                guard let byte = readByte() else { return nil }
                bytes.append(byte)
            }
            let head = String(decoding: bytes, as: UTF8.self)
            let length = head.split(separator: "\r\n").lazy
                .filter { $0.lowercased().hasPrefix("content-length:") }
                .compactMap { Int($0.drop { !$0.isNumber }) }
                .first
            var body = [UInt8](repeating: 0, count: length ?? 0)
            var got = 0
            while got < body.count {
                let count = unsafe body.withUnsafeMutableBytes {
                    unsafe read(descriptor, $0.baseAddress! + got, $0.count - got)
                }
                guard count > 0 else { return nil }
                got += count
            }
            server.state.withLock { $0.requests.append(head + String(decoding: body, as: UTF8.self)) }
            return head + String(decoding: body, as: UTF8.self)
        }

        /// Reads one record of TLS, without its header of 5 bytes; less when the client closed.
        func readRecord() -> [UInt8] {
            var header: [UInt8] = []
            while header.count < 5, let byte = readByte() { header.append(byte) }
            guard header.count == 5 else { return [] }
            var record: [UInt8] = []
            while record.count < Int(header[3]) << 8 + Int(header[4]), let byte = readByte() { record.append(byte) }
            return record
        }

        private func readByte() -> UInt8? {
            var byte: UInt8 = 0
            return unsafe read(descriptor, &byte, 1) == 1 ? byte : nil
        }

        /// Sends all of `bytes`; false when the client closed.
        @discardableResult
        func send(_ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let count = unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, CInt(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }

        @discardableResult
        func send(_ text: String) -> Bool { send(Array(text.utf8)) }

        /// Sends a whole response that keeps the connection open.
        @discardableResult
        func respond(_ status: String = "200 OK", _ headers: String = "", body: String = "ok") -> Bool {
            send("HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }

        /// Answers every request with "ok" until the client closes.
        func serve() {
            while readRequest() != nil, respond() {}
        }

        /// Returns when the client has closed or reset the connection; false when it has not within 10 min.
        func waitForClose() -> Bool {
            while true {
                errno = 0
                if readByte() == nil { return errno != EAGAIN }
            }
        }

        /// Closes this side only; on loopback the client has been told when this returns.
        func shutDownSending() {
            shutdown(descriptor, CInt(SHUT_WR))
        }

        /// Makes the close that follows a reset.
        func reset() {
            var option = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }
    }

    private struct State {
        var connections = 0
        var requests: [String] = []
    }

    let port: Int
    private let listener: CInt
    private let state = Mutex(State())

    /// Starts serving; the socket is closed after `script` returns.
    init(_ script: @escaping @Sendable (Connection) -> Void) {
        let (listener, port) = listenOnFreePort(backlog: 1024)
        self.listener = listener
        self.port = port
        startThread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                var limit = timeval(tv_sec: 600, tv_usec: 0)
                let size = socklen_t(MemoryLayout<timeval>.size)
                unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
                unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
                let number = state.withLock { state in
                    state.connections += 1
                    return state.connections
                }
                let connection = Connection(descriptor, number: number, server: self)
                startThread {
                    script(connection)
                    close(descriptor)
                }
            }
        }
    }

    /// Ends the accepting thread.
    func stop() {
        shutdown(listener, CInt(SHUT_RDWR))
        close(listener)
    }

    /// Connections accepted so far.
    var connections: Int { state.withLock { $0.connections } }

    /// Requests read so far, each with head and body.
    var requests: [String] { state.withLock { $0.requests } }

    /// A URL of this server.
    func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }
}

/// Holds scripts' threads until a test lets them go on.
final class Gate: Sendable {
    /// A pipe: a byte that nobody reads wakes everybody who waits, now or later.
    private let reading: CInt
    private let writing: CInt

    init() {
        var ends: [CInt] = [-1, -1]
        precondition(unsafe pipe(&ends) == 0, "pipe failed")
        reading = ends[0]
        writing = ends[1]
    }

    deinit {
        close(reading)
        close(writing)
    }

    /// Blocks until ``open()``, at most 10 min.
    func wait() {
        var request = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&request, 1, 600_000)
    }

    /// Lets everybody through.
    func open() {
        var byte: UInt8 = 1
        let count = unsafe write(writing, &byte, 1)
        precondition(count == 1, "the gate's pipe takes no byte")
    }
}

/// Runs `body` on a thread of its own.
private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    let result = unsafe pthread_create(
        &thread,
        nil,
        { box in
            unsafe Unmanaged<Box>.fromOpaque(box!).takeRetainedValue().body()
            return nil
        },
        box
    )
    precondition(result == 0)
    pthread_detach(thread)
}

/// A listening socket of 127.0.0.1 and its port.
func listenOnFreePort(backlog: CInt) -> (descriptor: CInt, port: Int) {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutableBytes(of: &address) { bytes in
        let address = unsafe bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
        precondition(unsafe bind(descriptor, address, size) == 0)
        precondition(listen(descriptor, backlog) == 0)
        precondition(unsafe getsockname(descriptor, address, &size) == 0)
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
}

/// The address of `port` at 127.0.0.1.
func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

extension [UInt8] {
    fileprivate func ends(withText text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
