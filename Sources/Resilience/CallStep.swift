public import BusProtocol
public import CoreTypes

/// What the engine wants the shell to do next.
public enum CallStep: Sendable, Hashable {
    /// Ask the broker's leave for this attempt (`START`) and answer with `go` or `nogo`.
    case requestGo(AttemptPlan)
    /// Make the HTTP call and answer with `attemptSucceeded` or `attemptFailed`.
    case startCall(AttemptPlan)
    /// Do nothing until this moment, then give `timerFired`.
    case wait(until: Moment)
    /// The delivery is over, no call is open.
    case finish(CallOutcome)
    /// Close the open call; the delivery is over.
    case abortCall(CallOutcome)
    /// The input does not belong to the present state, as a late or repeated one does: nothing changes.
    case ignore
}

/// How a delivery ended at the worker.
public enum CallOutcome: Sendable, Hashable {
    /// A model answered: send `REPLY`.
    case success(ReplySummary, CallMeta)
    /// No model answered, or the request was cancelled or ran out of time: send `FAILURE`.
    case failure(CallFailure)
    /// The broker refused an attempt for good: forget the delivery and send no terminal.
    case abandoned(NoGoReason)
}
