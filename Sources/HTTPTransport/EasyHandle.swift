import CCurl
import CoreTypes
import Glibc

/// One easy handle of libcurl with the memory that must live as long as its transfer.
///
/// Made once and used for many calls: creating one costs more than a call. Every option is set anew for each call,
/// because `curl_easy_reset` clears them.
@safe
final class EasyHandle {
    /// Seconds an idle connection stays usable. Below the 60 s after which common load balancers close theirs, since a
    /// request that meets a closing connection is lost: it is never sent a second time.
    static let idleConnectionSecondsMax = 50

    /// Whether the file of certificates that libcurl was built for is there, so that its folder adds nothing.
    private static let systemHasCAFile: Bool = {
        guard let facts = unsafe curl_version_info(CURLVERSION_SEVENTH), let path = unsafe facts.pointee.cainfo else {
            return false
        }
        return unsafe access(path, R_OK) == 0
    }()

    let pointer: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var body: Bytes?

    /// Makes a handle that uses what is in `share`, for good: `curl_easy_reset` leaves that alone. Nil when libcurl finds
    /// no memory.
    init?(share: UnsafeMutableRawPointer?) {
        guard let pointer = unsafe curl_easy_init() else { return nil }
        unsafe self.pointer = pointer
        unsafe _ = ccurl_easy_set_pointer(pointer, CURLOPT_SHARE, share)
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe curl_easy_cleanup(pointer)
        unsafe curl_slist_free_all(headers)
        unsafe errorText.deallocate()
    }

    /// Forgets the call; the handle must not be in a multi handle any more.
    func reset() {
        unsafe curl_easy_reset(pointer)
        unsafe curl_slist_free_all(headers)
        unsafe headers = nil
        body = nil
    }

    /// Sets every option for `call`, whose address the callbacks get: the call must outlive the transfer.
    ///
    /// - Throws: ``TransportError/Code/internal`` with the option that libcurl refused.
    func prepare(for call: HTTPCall, _ configuration: HTTPTransport.Configuration) throws(TransportError) {
        let request = call.request
        unsafe errorText[0] = 0
        try set(CURLOPT_URL, request.url)
        try setConnection(request, configuration, idleSecondsMax: call.idleSecondsMax)
        if call.isSharing { try set(CURLOPT_PIPEWAIT, 1) }
        try setMessage(request)

        let address = unsafe Unmanaged.passUnretained(call).toOpaque()
        try unsafe check("PRIVATE", ccurl_easy_set_pointer(pointer, CURLOPT_PRIVATE, address))
        try unsafe check("ERRORBUFFER", ccurl_easy_set_pointer(pointer, CURLOPT_ERRORBUFFER, errorText))
        try unsafe check("WRITEDATA", ccurl_easy_set_pointer(pointer, CURLOPT_WRITEDATA, address))
        try unsafe check("WRITE", ccurl_easy_set_write_function(pointer, CURLOPT_WRITEFUNCTION, bodyCallback))
        try unsafe check("HEADERDATA", ccurl_easy_set_pointer(pointer, CURLOPT_HEADERDATA, address))
        try unsafe check("HEADER", ccurl_easy_set_write_function(pointer, CURLOPT_HEADERFUNCTION, headCallback))
        try unsafe check("OPENSOCKETDATA", ccurl_easy_set_pointer(pointer, CURLOPT_OPENSOCKETDATA, address))
        try unsafe check("OPENSOCKET", ccurl_easy_set_socket_function(pointer, connectionCallback))
        let transport = unsafe Unmanaged.passUnretained(call.transport).toOpaque()
        try unsafe check("CLOSESOCKETDATA", ccurl_easy_set_pointer(pointer, CURLOPT_CLOSESOCKETDATA, transport))
        try unsafe check("CLOSESOCKET", ccurl_easy_set_closing_function(pointer, closingCallback))
        try unsafe check("PREREQDATA", ccurl_easy_set_pointer(pointer, CURLOPT_PREREQDATA, address))
        try unsafe check("PREREQ", ccurl_easy_set_prereq_function(pointer, requestCallback))
    }

    private func setConnection(
        _ request: HTTPRequest,
        _ configuration: HTTPTransport.Configuration,
        idleSecondsMax: Int?
    ) throws(TransportError) {
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_FOLLOWLOCATION, 0)
        try set(CURLOPT_NOSIGNAL, 1)
        // Without it, ending a call during its name lookup blocks this thread until the lookup has ended. In libcurl
        // the option does nothing else, and nothing leaks: the lookup's thread is detached and frees its own memory.
        try set(CURLOPT_QUICK_EXIT, 1)
        try set(CURLOPT_TCP_NODELAY, 1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try set(CURLOPT_MAXAGE_CONN, min(Self.idleConnectionSecondsMax, idleSecondsMax ?? .max))
        if request.needsFreshConnection { try set(CURLOPT_FRESH_CONNECT, 1) }
        try set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(clamping: request.connectTimeout.wholeMilliseconds)))
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        if !configuration.proxyFromEnvironment { try set(CURLOPT_PROXY, "") }
        if let caFile = configuration.caFile { try set(CURLOPT_CAINFO, caFile) }
        if configuration.caFile != nil || Self.systemHasCAFile {
            // libcurl keeps what it has read of a file of certificates, but not while it has a folder of them too: then
            // it reads the file for each connection, 30 ms in which this thread serves nobody.
            try unsafe check("CAPATH", ccurl_easy_set_string(pointer, CURLOPT_CAPATH, nil))
        }
        let offersHTTP2 = configuration.offersHTTP2 && request.http2 == .negotiate
        try set(CURLOPT_HTTP_VERSION, offersHTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)
        // Every decoding libcurl was built with.
        try set(CURLOPT_ACCEPT_ENCODING, "")
    }

    private func setMessage(_ request: HTTPRequest) throws(TransportError) {
        var hasContentType = false
        for (name, value) in request.headers {
            if equalIgnoringCase(name, "content-type") { hasContentType = true }
            // libcurl takes "Name;" for a field without a value, and "Name:" for one to leave out.
            let isEmpty = value.utf8.allSatisfy { $0 == 32 || $0 == 9 }
            try append(isEmpty ? "\(name);" : "\(name): \(value)")
        }
        switch request.method {
        case .get:
            try set(CURLOPT_HTTPGET, 1)
        case .head:
            try set(CURLOPT_NOBODY, 1)
        case .post:
            // Neither libcurl's wait for "100 Continue" nor its guess of the type.
            try append("Expect:")
            if !hasContentType { try append("Content-Type:") }
            try set(CURLOPT_POST, 1)
            try setBody(request.body)
        }
        try unsafe check("HTTPHEADER", ccurl_easy_set_list(pointer, CURLOPT_HTTPHEADER, headers))
    }

    private func setBody(_ bytes: Bytes) throws(TransportError) {
        let size = curl_off_t(bytes.count)
        try unsafe check("POSTFIELDSIZE", ccurl_easy_set_offset(pointer, CURLOPT_POSTFIELDSIZE_LARGE, size))
        body = bytes
        // Foreign memory stays in place while `body` holds its owner; an array's is only lent, so libcurl copies it.
        let option = bytes.owner != nil && size > 0 ? CURLOPT_POSTFIELDS : CURLOPT_COPYPOSTFIELDS
        let result = unsafe bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress, size > 0 else {
                return unsafe ccurl_easy_set_string(pointer, option, "")
            }
            return unsafe ccurl_easy_set_bytes(pointer, option, start)
        }
        try check("POSTFIELDS", result)
    }

    /// Whether the response came over HTTP/2; nil when there was none.
    var spokeHTTP2: Bool? {
        var version = 0
        let result = unsafe ccurl_easy_get_long(pointer, CURLINFO_HTTP_VERSION, &version)
        return result == CURLE_OK && version > 0 ? version == CURL_HTTP_VERSION_2_0 : nil
    }

    /// What libcurl says about `result`; its detailed text when it wrote one.
    func message(for result: CURLcode) -> String {
        let detail = unsafe String(cString: errorText)
        return detail.isEmpty ? unsafe String(cString: curl_easy_strerror(result)) : detail
    }

    /// Fills in the times of the transfer, but for the first byte and the total: libcurl takes the first byte of a
    /// body that is sent for the former, and brings the latter up to date only now and then.
    func read(into phases: inout HTTPPhases) {
        phases.nameLookup = time(CURLINFO_NAMELOOKUP_TIME_T)
        phases.connect = time(CURLINFO_CONNECT_TIME_T)
        phases.tls = time(CURLINFO_APPCONNECT_TIME_T)
        guard phases.requestSent else { return }
        phases.requestStart = time(CURLINFO_PRETRANSFER_TIME_T)
        var connections = 0
        unsafe _ = ccurl_easy_get_long(pointer, CURLINFO_NUM_CONNECTS, &connections)
        phases.reusedConnection = connections == 0
    }

    private func time(_ info: CURLINFO) -> Duration? {
        var microseconds: curl_off_t = 0
        let result = unsafe ccurl_easy_get_offset(pointer, info, &microseconds)
        return result == CURLE_OK && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    private func append(_ line: String) throws(TransportError) {
        guard let list = unsafe curl_slist_append(headers, line) else {
            throw TransportError(code: .internal, message: "curl_slist_append found no memory")
        }
        unsafe headers = list
    }

    private func set(_ option: CURLoption, _ value: Int) throws(TransportError) {
        try check("option \(option.rawValue)", unsafe ccurl_easy_set_long(pointer, option, value))
    }

    private func set(_ option: CURLoption, _ value: String) throws(TransportError) {
        try check("option \(option.rawValue)", unsafe ccurl_easy_set_string(pointer, option, value))
    }

    private func check(_ option: @autoclosure () -> String, _ result: CURLcode) throws(TransportError) {
        guard result == CURLE_OK else {
            throw TransportError(
                code: .internal,
                message: "curl_easy_setopt refused \(option()): \(unsafe String(cString: curl_easy_strerror(result)))",
                curlCode: Int(result.rawValue)
            )
        }
    }
}
