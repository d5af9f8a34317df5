import BusProtocol
import CoreTypes
import EventLoop

/// A message with one short answer: `HELLO`, `PING`, `TASK`, `ACK`, `CANCEL` or `GET` of a request or of what the broker
/// tells about itself. Each may be sent again without harm.
struct Inquiry {
    /// What its answer is told by.
    enum Key: Hashable {
        case hello
        case ping([UInt8])
        case task(RequestID)
        case system(SystemSubject)
        case get(RequestID)
        case cancel(RequestID)
        case acknowledge(RequestID)
    }

    /// Wait for the answer before it is sent again.
    static let interval: Duration = .seconds(2)

    /// Tells inquiries of the same key apart.
    let number: UInt64
    let message: OutgoingMessage
    let giveUpAt: Moment
    var watch: ReachabilityWatch
    var timer: TimerID?
    var wasBlocked = false
    let answer: CheckedContinuation<Result<AgentInbound, ClientError>, Never>
}
