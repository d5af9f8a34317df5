import BusProtocol
import CoreTypes
import Resilience

/// What the session wants the shell to do.
enum WorkerEffect: Sendable {
    /// Send this to the broker.
    case send(OutgoingMessage)
    /// Send `BEAT` with what only the shell knows.
    case beat(held: Int)
    /// Make the HTTP call of this attempt and tell how it ended.
    case call(DeliveryKey, AttemptPlan)
    /// Close the delivery's open call, if there is one; its end need not be told.
    case abort(DeliveryKey)
    /// Wake the delivery at this moment and at no other; nil for never.
    case wake(DeliveryKey, at: Moment?)
    /// The broker said `WELCOME`.
    case joined
    /// A line for the operator.
    case note(String)
    /// Nothing is left to do: close everything and end.
    case left
}

/// The time, by both clocks.
struct WorkerTime: Sendable {
    /// Monotonic.
    var now: Moment
    /// Time of day in Unix milliseconds, for events.
    var wall: Int64
}
