import Glibc

/// The address under which a provider's API lies: `https://host[:port][/path]`, without a slash at its end.
public struct BaseURL: Sendable, Hashable, CustomStringConvertible {
    /// The whole address.
    public let text: String
    /// True for `https`.
    public let isEncrypted: Bool
    /// Name or numeric address of the host; an IPv6 address without its brackets.
    public let host: String

    /// Longest address, in bytes.
    public static let bytesMax = 1024

    /// What ``init(_:)`` takes, for error texts.
    static let expectation =
        "a URL such as \"https://api.example.com/v1\": http or https, a host, no user, no query, no fragment"

    /// Reads an address; slashes at its end are dropped.
    ///
    /// - Returns: Nil when the text is none: another scheme, no host, a port outside 1...65535, user or password (keys
    ///   belong elsewhere), a query or fragment, blanks, control characters, or more than ``bytesMax`` bytes.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !Self.refused.contains($0) }) else { return nil }
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        let scheme = text[..<colon].lowercased()
        guard scheme == "https" || scheme == "http" else { return nil }
        let rest = text[colon...].dropFirst(3)
        let authority = rest.prefix { $0 != "/" }
        guard let (host, port) = Self.split(authority: authority) else { return nil }
        guard port.map({ (1...65535).contains($0) }) ?? true else { return nil }
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path = path.dropLast() }
        self.text = "\(scheme)://\(authority)\(path)"
        self.host = host
        isEncrypted = scheme == "https"
    }

    /// True when the address stays on this machine, so that nobody listens in on a key.
    public var isLoopback: Bool {
        host.lowercased() == "localhost" || Self.isLoopback(v4: host) || Self.isLoopback(v6: host)
    }

    /// True for 127.0.0.0/8 in any spelling that is an address, and so not for `127.example.com`, which is a name.
    private static func isLoopback(v4 host: String) -> Bool {
        var address = in_addr()
        // As libcurl reads it: 127.1 and 0x7f000001 are addresses, too.
        guard unsafe inet_aton(host, &address) != 0 else { return false }
        return UInt32(bigEndian: address.s_addr) >> 24 == 127
    }

    /// True for `::1`, and for 127.0.0.0/8 as an IPv4-mapped address.
    private static func isLoopback(v6 host: String) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard unsafe inet_pton(AF_INET6, host, &bytes) == 1 else { return false }
        if bytes == Array(repeating: 0, count: 15) + [1] { return true }
        return bytes[..<12] == Array(repeating: 0, count: 10) + [0xFF, 0xFF] && bytes[12] == 127
    }

    public var description: String { text }

    /// `@ ? # " < > \ ^ \` { | }`: user, query, fragment, and what RFC 3986 has no place for.
    private static let refused = Set("@?#\"<>\\^`{|}".utf8)

    /// Host and port of `authority`; nil when there is no host or the port is no number.
    private static func split(authority: Substring) -> (host: String, port: Int?)? {
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            let host = authority[..<bracket].dropFirst()
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
            let rest = authority[bracket...].dropFirst()
            if rest.isEmpty { return (String(host), nil) }
            guard rest.first == ":", let port = number(rest.dropFirst()) else { return nil }
            return (String(host), port)
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let host = parts.first, !host.isEmpty, !host.contains("["), !host.contains("]") else {
            return nil
        }
        guard parts.count == 2 else { return (String(host), nil) }
        guard let port = number(parts[1]) else { return nil }
        return (String(host), port)
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 5, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}
