public import BusProtocol

/// What happens to the broker, in the order in which it happened.
public enum DispatchEvent: Sendable {
    /// A well-formed message of an agent. `body` is there for `REQUEST`; the bytes stay with the caller.
    case agent(AgentPath, Tenant, AgentMessage, body: BodyFacts?)
    /// An agent's connection closed.
    case agentDisconnected(ConnectionID)
    /// A well-formed message of a worker. `pid` is what the socket tells; nil when it cannot tell.
    case worker(ConnectionID, WorkerMessage, pid: Int32?)
    /// A worker's connection closed.
    case workerDisconnected(ConnectionID)
    /// A worker's process is gone. A hint: only with the closed connection it is a death.
    case workerProcessGone(ConnectionID)
    /// All that a dead worker had sent has been received; answers ``DispatchEffect/drain(_:)``.
    case workerDrained(ConnectionID)
    /// The broker itself stood still for this long; leases must not pay for it.
    case stalled(Duration)
    /// All writes up to this one are on disk.
    case committed(through: JournalTicket)
    /// The journal could not take these accepted requests and forgot them; nothing was promised yet.
    case acceptancesLost([JobNumber], BusError)
    /// A time asked for by ``Dispatcher/nextWake`` has come.
    case wake
    /// Take no new requests.
    case stop
    /// End every open request that would not survive the broker, with `FAILURE shutting_down`.
    case endAll
}
