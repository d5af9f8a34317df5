public import BusProtocol

/// What a shell tells the engine.
public enum CallInput: Sendable, Hashable {
    /// The delivery arrived: begin.
    case start
    /// The broker allows the attempt that was asked for. A `GO` for another attempt is ignored.
    case go(attempt: UInt32)
    /// The broker refuses the attempt that was asked for, for now (`wait`) or for good.
    case nogo(attempt: UInt32, reason: NoGoReason, wait: Duration?)
    /// The call ended with a good reply.
    case attemptSucceeded(ReplySummary)
    /// The call ended without a good reply, or one of the plan's timers ran out.
    case attemptFailed(AttemptFailure)
    /// The moment of ``CallEngine/nextTimer`` has come. Early or late ones do no harm.
    case timerFired
    /// The broker cancelled the request.
    case cancel
}
