import BusProtocol
import CoreTypes
import Dispatch

/// An agent process that asks, asks again, cancels, leaves and comes back.
final class Agent {
    /// How it speaks.
    enum Style {
        /// DEALER.
        case attached
        /// REQ: one message, then its one answer.
        case request
        /// Behind a proxy: several lock-step messages at once, told apart by their envelopes.
        case proxied
    }

    /// A request of its own.
    struct Request {
        var id: RequestID
        var header: RequestHeader
        var body: BodyFacts
    }

    let number: Int
    let tenant: Tenant
    let style: Style
    var connection: Connection?
    var requests: [Request] = []
    /// Ids for which it got `ACCEPTED`.
    var accepted: Set<RequestID> = []
    var envelopeLast: UInt64 = 0
    /// REQ: when it gives up waiting for its answer; nil while it may send.
    var givesUpAt: Moment?

    init(number: Int, tenant: Tenant, style: Style) {
        self.number = number
        self.tenant = tenant
        self.style = style
    }

    /// The envelope of the next message.
    func nextEnvelope() -> Envelope {
        switch style {
        case .attached: return .none
        case .request: return .delimiter
        case .proxied:
            envelopeLast += 1
            return Envelope(route: [Array("e\(envelopeLast)".utf8)])
        }
    }
}
