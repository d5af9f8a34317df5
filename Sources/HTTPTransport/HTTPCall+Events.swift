import CCurl
import CoreTypes
import EventLoop
import Glibc

// What libcurl reports about a running call. Called from within libcurl: nothing here may call it back.
extension HTTPCall {
    // One call sends one request. libcurl by itself sends again what it sent on a reused connection that then died
    // without an answer, and what an HTTP/2 server refused. But the server may have acted on the first, and whoever
    // counts calls would not know of the second. So the second one is refused; the caller decides about another.

    /// Refuses the new connection that would only serve to send the request again.
    func mayConnect() -> Bool {
        guard !hasEnded else { return false }
        let waited = startedAt?.duration(to: transport.loop.now()) ?? .zero
        if isWaitingForAnother, waited * 2 > request.connectTimeout {
            // libcurl found the other's connection dead and goes on with this call, whose time has been spent on it.
            mustStartAnew = true
            return false
        }
        hasOpened = true
        endLookup()
        return phases.requestSent ? refuseSecondRequest() : true
    }

    /// Notes that no socket could be made. That is our trouble and not the server's, unless only this family of
    /// addresses is missing here.
    func connectionFailed(_ number: CInt) {
        if number != EAFNOSUPPORT { socketError = SystemError(call: "socket", errno: number) }
    }

    /// Refuses to send the request again, on whatever connection; notes that it leaves.
    func mayLeave() -> Bool {
        guard !hasEnded else { return false }
        guard !phases.requestSent else { return refuseSecondRequest() }
        endLookup()
        phases.requestSent = true
        timers?.requestLeaves()
        return true
    }

    private func refuseSecondRequest() -> Bool {
        verdict = (.closedBeforeHead, "the connection was closed before a byte of the response came")
        return false
    }

    /// Takes a line of the head; gives libcurl the number of bytes taken, any other number to fail the call.
    func received(line: [UInt8]) -> Int {
        guard case .running = stage else { return 0 }
        let now = transport.loop.now()
        timers?.bytesReceived(at: now)
        if phases.firstByte == nil { phases.firstByte = startedAt?.duration(to: now) }
        switch head.add(line: line) {
        case .more:
            break
        case .complete(let complete):
            handler.received(complete, for: self)
        case .tooLarge:
            verdict = (.headTooLarge, "the response's head is larger than \(request.responseHeaderBytesMax) bytes")
            return 0
        case .malformed(let reason):
            verdict = (.malformedResponse, reason)
            return 0
        }
        return line.count
    }

    /// Takes a piece of body; gives libcurl the number of bytes taken, or its words for pausing or failing.
    func received(body: RawSpan) -> Int {
        guard case .running = stage else { return 0 }
        let count = body.byteCount
        guard count > 0 else { return 0 }
        if count > request.responseBodyBytesMax - bodyBytes {
            verdict = (.bodyTooLarge, "the response's body is larger than \(request.responseBodyBytesMax) bytes")
            return 0
        }
        timers?.bytesReceived(at: transport.loop.now())
        switch handler.received(body, for: self) {
        case .proceed:
            bodyBytes += count
            return count
        case .pause:
            isPaused = true
            timers?.paused()
            return Int(CURL_WRITEFUNC_PAUSE)
        }
    }
}
