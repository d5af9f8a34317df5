import CCurl
import EventLoop
import Glibc

// The functions libcurl calls. Each finds its object and hands on; none can throw, and what goes wrong is kept with
// the call. The addresses are valid: a call is held by its transport while libcurl has it, and the transport frees the
// multi handles of its pools before it goes.

/// A piece of body.
let bodyCallback: curl_write_callback = { data, size, count, address in
    guard let address = unsafe address else { return 0 }
    let call = unsafe Unmanaged<HTTPCall>.fromOpaque(address).takeUnretainedValue()
    return call.received(body: unsafe UnsafeRawBufferPointer(start: data, count: size * count).bytes)
}

/// A line of the head or a trailer.
let headCallback: curl_write_callback = { data, size, count, address in
    guard let address = unsafe address else { return 0 }
    let call = unsafe Unmanaged<HTTPCall>.fromOpaque(address).takeUnretainedValue()
    let line = unsafe [UInt8](UnsafeRawBufferPointer(start: data, count: size * count))
    return call.received(line: line)
}

/// A new connection is about to be opened.
let connectionCallback: curl_opensocket_callback = { address, _, target in
    guard let address = unsafe address, let target = unsafe target else { return CURL_SOCKET_BAD }
    let call = unsafe Unmanaged<HTTPCall>.fromOpaque(address).takeUnretainedValue()
    guard call.mayConnect() else { return CURL_SOCKET_BAD }
    // libcurl's own way leaves the socket open in child processes.
    let type = unsafe target.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
    let descriptor = unsafe socket(target.pointee.family, type, target.pointee.protocol)
    guard descriptor >= 0 else {
        call.connectionFailed(errno)
        return CURL_SOCKET_BAD
    }
    if case .running(_, let pool) = call.stage, let failure = call.transport.opened(descriptor, for: pool) {
        call.verdict = (.internal, failure.description)
    }
    return descriptor
}

/// A connection that ``connectionCallback`` opened is over, perhaps long after its last call.
let closingCallback: curl_closesocket_callback = { address, descriptor in
    guard let address = unsafe address else { return close(descriptor) }
    return unsafe Unmanaged<HTTPTransport>.fromOpaque(address).takeUnretainedValue().close(descriptor)
}

/// The request is about to leave.
let requestCallback: curl_prereq_callback = { address, _, _, _, _ in
    guard let address = unsafe address else { return CURL_PREREQFUNC_ABORT }
    let call = unsafe Unmanaged<HTTPCall>.fromOpaque(address).takeUnretainedValue()
    return call.mayLeave() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

/// What libcurl wants to be told about a socket.
let socketCallback: curl_socket_callback = { easy, socket, what, address, _ in
    guard let address = unsafe address else { return 0 }
    let pool = unsafe Unmanaged<ConnectionPool>.fromOpaque(address).takeUnretainedValue()
    let interest: Interest? =
        switch what {
        case CURL_POLL_IN: .read
        case CURL_POLL_OUT: .write
        case CURL_POLL_INOUT: [.read, .write]
        case CURL_POLL_REMOVE: nil
        default: []
        }
    let call: HTTPCall? = if let easy = unsafe easy { unsafe callOf(easy) } else { nil }
    // While it connects, too, libcurl reads, but after the request has left from no other socket. Over TLS it says so once,
    // for the handshake; what it lets go after the request is then no loser of a race of connects, which ended before.
    let isCarrier = interest.map { $0.contains(.read) } ?? (call?.isEncrypted == true)
    let carriesRequest = call?.phases.requestSent == true && isCarrier
    let isPaused = call?.isPaused == true
    if let failure = pool.watch(socket, interest, carriesRequest: carriesRequest, isPaused: isPaused) {
        call?.verdict = (.internal, failure.description)
    }
    return 0
}

/// When libcurl wants to be called next.
let timerCallback: curl_multi_timer_callback = { _, milliseconds, address in
    guard let address = unsafe address else { return 0 }
    let pool = unsafe Unmanaged<ConnectionPool>.fromOpaque(address).takeUnretainedValue()
    pool.setTimer(milliseconds: milliseconds < 0 ? nil : milliseconds)
    return 0
}

/// The call an easy handle works for.
func callOf(_ easy: UnsafeMutableRawPointer) -> HTTPCall? {
    var address: UnsafeMutableRawPointer?
    guard unsafe ccurl_easy_get_private(easy, &address) == CURLE_OK, let address = unsafe address else { return nil }
    return unsafe Unmanaged<HTTPCall>.fromOpaque(address).takeUnretainedValue()
}
