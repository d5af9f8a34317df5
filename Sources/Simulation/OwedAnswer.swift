import BusProtocol
import Dispatch

/// An answer to an agent that waits for a commit.
struct OwedAnswer {
    var path: AgentPath
    var answer: Answer
    var record: RequestRecord
    var ticket: JournalTicket
}

/// An `ACK` to a worker that waits for a commit.
struct OwedAcknowledgement {
    var connection: ConnectionID
    var key: DeliveryKey
    var ticket: JournalTicket
}
