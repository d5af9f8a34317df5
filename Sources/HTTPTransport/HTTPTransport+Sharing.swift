import CCurl
import EventLoop

// Calls that wait for the connection of another, to share it. Their clocks must not hold that against the server: it was
// asked for nothing on their behalf.
extension HTTPTransport {
    /// Remembers whether connections to the origin of a call that is over can be shared.
    ///
    /// - Parameter spokeHTTP2: What its response came over; nil when there was none.
    func learn(from call: HTTPCall, spokeHTTP2: Bool?, _ error: TransportError?) {
        if let spokeHTTP2 {
            http2Origins.answered(call.origin, overHTTP2: spokeHTTP2)
        } else if error?.isFailureToConnect == true {
            stopSharing(call.origin)
        }
    }

    /// A call has waited for another's connection for as long as connecting may take: it opens its own, with new clocks.
    ///
    /// One that was itself looking up the name looks the same from here, and gets the time once more.
    func stopWaiting(_ call: HTTPCall) {
        stopSharing(call.origin)
        if call.isWaitingForAnother { startAnew(call) }
        settle()
    }

    /// Connecting to `origin` failed: whoever waits to share that connection opens one of its own. libcurl would let
    /// them try one after the other.
    func stopSharing(_ origin: String) {
        guard http2Origins.failedToConnect(origin) else { return }
        for call in Array(calls.values) where call.origin == origin && call.isWaitingForAnother { startAnew(call) }
    }

    /// Takes a call out of libcurl and gives it in again; to the caller it was in our queue until now.
    func startAnew(_ call: HTTPCall) {
        guard case .running(let easy, let pool) = call.stage else { return }
        leave(pool, easy, call, leavesConnection: false)
        if let timer = call.timer { loop.cancel(timer) }
        call.timer = nil
        run(call)
    }
}
