import CCurl

/// Reads the origin (scheme, host and port) out of URLs with libcurl's own parser, and remembers the last ones.
///
/// Few different URLs are called, so the memory makes the check nearly free; it is emptied when it is full.
struct OriginReader {
    private static let knownMax = 256
    private var known: [String: String] = [:]

    /// The origin of `url`, such as `https://example.org:443`.
    ///
    /// - Throws: ``TransportError/Code/badURL``, with libcurl's words and without the URL, which may hold a secret.
    mutating func origin(of url: String) throws(TransportError) -> String {
        if let origin = known[url] { return origin }
        let origin = try Self.read(url)
        if known.count >= Self.knownMax { known.removeAll(keepingCapacity: true) }
        known[url] = origin
        return origin
    }

    private static func read(_ url: String) throws(TransportError) -> String {
        guard !url.utf8.contains(0) else { throw badURL("it contains a NUL byte") }
        guard let handle = unsafe curl_url() else {
            throw TransportError(code: .internal, message: "curl_url found no memory")
        }
        defer { unsafe curl_url_cleanup(handle) }
        let flags = UInt32(CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME)
        let result = unsafe curl_url_set(handle, CURLUPART_URL, url, flags)
        guard result == CURLUE_OK else { throw badURL(unsafe String(cString: curl_url_strerror(result))) }
        let scheme = try unsafe part(CURLUPART_SCHEME, of: handle).lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw badURL("the scheme is \(scheme.prefix(32)), expected http or https")
        }
        let host = try unsafe part(CURLUPART_HOST, of: handle).lowercased()
        let port = try unsafe part(CURLUPART_PORT, of: handle)
        return "\(scheme)://\(host):\(port)"
    }

    private static func part(_ part: CURLUPart, of handle: OpaquePointer) throws(TransportError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        let result = unsafe curl_url_get(handle, part, &text, UInt32(CURLU_DEFAULT_PORT))
        guard result == CURLUE_OK, let text = unsafe text else {
            throw badURL(unsafe String(cString: curl_url_strerror(result)))
        }
        defer { unsafe curl_free(text) }
        return unsafe String(cString: text)
    }

    private static func badURL(_ reason: String) -> TransportError {
        TransportError(code: .badURL, message: "URL not usable: \(reason)")
    }
}
