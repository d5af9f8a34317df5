import Glibc
import JSON

/// A blocking client that shows what happens on the wire; a read that gets nothing for 50 s fails.
final class RawClient {
    /// How a connection ended for its reader.
    enum End: Equatable {
        case closed
        case reset
        case failed(CInt)
    }

    /// A response as it came.
    struct Response {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]
        /// Set when the connection ended before the body was complete.
        var brokenBy: End?

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// A connection that ended, or bytes that are no response.
    struct Failure: Error, CustomStringConvertible {
        var description: String
        var end: End?
    }

    private let descriptor: CInt
    private var received: [UInt8] = []

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: errno \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var patience = timeval(tv_sec: 50, tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: errno \(errno)") }
    }

    deinit {
        close(descriptor)
    }

    /// Sends `text`; what a peer that has closed does not take is lost.
    func send(_ text: String) {
        send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// True when a byte or the end could be read at once.
    var hasSomethingToRead: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&request, 1, 0) != 0
    }

    /// Reads more; the end when there is no more.
    private func receive() -> End? {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count > 0 {
            received += buffer[..<count]
            return nil
        }
        if count == 0 { return .closed }
        return errno == ECONNRESET ? .reset : .failed(errno)
    }

    /// Reads until the connection ends; says how, and what came before.
    func readToEnd() -> (end: End, bytes: [UInt8]) {
        while true {
            if let end = receive() { return (end, received) }
        }
    }

    /// Reads one response, interim ones left out.
    func readResponse() throws -> Response {
        while true {
            let head = try readHead()
            guard head.status >= 200 else { continue }
            return try readBody(of: head)
        }
    }

    private func readHead() throws -> Response {
        let lines = try readLines()
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw Failure(description: "no status: \(lines[0])") }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[String(parts[0])] = String(parts[1].drop { $0 == " " })
        }
        return Response(status: status, headers: headers, body: [])
    }

    /// Reads lines up to an empty one.
    private func readLines() throws -> [String] {
        var lines: [String] = []
        while true {
            let line = try readLine()
            if line.isEmpty { return lines }
            lines.append(line)
        }
    }

    private func readLine() throws -> String {
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = received[..<end].filter { $0 != UInt8(ascii: "\r") }
                received.removeFirst(end + 1)
                return String(decoding: line, as: UTF8.self)
            }
            if let end = receive() { throw Failure(description: "ended within a line: \(end)", end: end) }
        }
    }

    private func readBody(of head: Response) throws -> Response {
        var response = head
        if let length = head.headers["content-length"].flatMap({ Int($0) }) {
            while received.count < length {
                if let end = receive() {
                    response.brokenBy = end
                    break
                }
            }
            response.body = Array(received.prefix(length))
            received.removeFirst(min(length, received.count))
        } else if head.headers["transfer-encoding"] == "chunked" {
            do {
                while true {
                    guard let size = Int(try readLine(), radix: 16) else { throw Failure(description: "no chunk size") }
                    if size == 0 { break }
                    while received.count < size + 2 {
                        if let end = receive() { throw Failure(description: "ended within a chunk", end: end) }
                    }
                    response.body += received[..<size]
                    received.removeFirst(size + 2)
                }
                _ = try readLines()
            } catch let failure as Failure {
                response.brokenBy = failure.end
            }
        } else {
            response.body = readToEnd().bytes
            received = []
        }
        return response
    }
}

extension RawClient.Response {
    /// The body as JSON.
    func json() throws -> JSONValue { try JSONValue(parsing: body) }
}
