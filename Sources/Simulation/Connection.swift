import BusProtocol
import CoreTypes
import Dispatch
import Journal

/// A connection between a peer and the broker: two queues that keep their order.
final class Connection {
    /// Whose it is.
    enum Peer {
        case agent(Agent)
        case worker(Worker)
    }

    /// What a peer sends.
    enum Upward {
        case agent(Envelope, AgentMessage, BodyFacts?)
        case worker(WorkerMessage, StoredTerminal?)
    }

    /// What the broker sends.
    enum Downward {
        case answer(Envelope, AgentReply)
        case terminal(Envelope, RequestID, StoredTerminal)
        case order(BrokerMessage)
        case job(DeliveryKey, JobHeader, BodyFacts)
    }

    let id: ConnectionID
    let peer: Peer
    var upward: [Upward] = []
    var downward: [Downward] = []
    var upwardLast = Moment.zero
    var downwardLast = Moment.zero
    /// The peer's end is closed: it sends and receives nothing more.
    var isClosed = false
    /// The broker has received a message, so that it can tell whose end it sees.
    var isKnown = false
    /// The broker's end is gone with its broker; what is sent waits for the next one.
    var isSevered = false
    /// The dispatcher waits for the rest of what was sent.
    var isDraining = false

    init(id: ConnectionID, peer: Peer) {
        self.id = id
        self.peer = peer
    }
}
