import BusProtocol
import CoreTypes
import Dialects
import Resilience

/// One request that the broker gave this worker, until the broker has its terminal.
///
/// States: live (``engine`` is set) → finished (``terminal`` is set) → forgotten.
///
/// An object, so that a step changes the large engine where it lies, after one look-up. Belongs to its session.
final class Delivery {
    /// Names the delivery; the attempt is 0.
    let key: DeliveryKey
    /// Whose request it is.
    let tenant: Tenant
    /// The agent's id.
    let id: RequestID
    /// The agent's task.
    let task: String?
    /// The request's body: what is hashed in `READY`.
    let body: Bytes
    /// The body as it was read; nil once finished.
    var request: ChatRequest?
    /// Decides what happens next; nil once finished.
    var engine: CallEngine?
    /// What is kept until the broker's `ACK`; nil while live.
    var terminal: OutgoingMessage?
    /// The body of the answer that the engine is being told of.
    var answer: Bytes?
    /// Number of the last attempt that had a `GO`; 0 before the first.
    var lastAttempt: UInt32 = 0
    /// Attempt whose `START` was sent in this session and not answered; nil for none.
    var asked: UInt32?
    /// When the shell was told to wake it; nil for never.
    var wakesAt: Moment?
    /// True once the session does not hold it any more.
    var isForgotten = false

    init(_ key: DeliveryKey, _ header: JobHeader, body: Bytes) {
        self.key = key.wholeDelivery
        tenant = header.tenant
        id = header.id
        task = header.task
        self.body = body
    }

    /// How far it is, as `READY` says it.
    var state: WorkerReady.Held.State {
        if terminal != nil { return .finished }
        return lastAttempt > 0 ? .calling : .waiting
    }

    /// True while no call was begun and the broker was not asked for leave either: it can be given back free of charge.
    var isReturnable: Bool { terminal == nil && lastAttempt == 0 && asked == nil }

    /// Its line in `READY`.
    var held: WorkerReady.Held {
        WorkerReady.Held(
            key: DeliveryKey(job: key.job, delivery: key.delivery, attempt: lastAttempt),
            bodyHash: BodyHash(of: body),
            state: state
        )
    }

    /// Tenant and id as providers see them: `uid-1000/abc`.
    var owner: String { "\(tenant)/\(id)" }
}
