/// What a handler answers to a piece of body.
public enum BodyFlow: Sendable {
    /// The piece was taken; go on.
    case proceed
    /// The piece was not taken. It comes again after ``HTTPTransport/resume(_:)``, and nothing is read meanwhile.
    case pause
}

/// Receives what happens to one call.
///
/// Every method is called on the loop's thread, never from within the method of the transport that caused it, and may
/// itself call the transport: start, cancel and resume calls, or shut it down. The transport keeps the handler until
/// the call has ended.
public protocol HTTPCallHandler: AnyObject {
    /// The head of the response is complete. At most once, before any body.
    func received(_ head: HTTPResponseHead, for call: HTTPCall)

    /// A piece of body, decompressed, at most 16 KiB; valid only during the call.
    func received(_ bytes: RawSpan, for call: HTTPCall) -> BodyFlow

    /// The call is over: exactly once for each call that was started, and last.
    func ended(_ result: Result<HTTPPhases, TransportError>, for call: HTTPCall)
}
