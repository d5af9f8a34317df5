import BusProtocol
import Dispatch

/// Events and effects as short text.
enum TraceText {
    static func text(_ event: DispatchEvent) -> String {
        switch event {
        case .agent(let path, let tenant, let message, _): "\(text(path)) \(tenant) \(text(message))"
        case .agentDisconnected(let connection): "\(connection) agent disconnected"
        case .worker(let connection, let message, _): "\(connection) \(text(message))"
        case .workerDisconnected(let connection): "\(connection) worker disconnected"
        case .workerProcessGone(let connection): "\(connection) worker's process gone"
        case .workerDrained(let connection): "\(connection) drained"
        case .stalled(let gap): "stalled for \(gap)"
        case .committed(let ticket): "committed through \(ticket)"
        case .acceptancesLost(let jobs, let error): "acceptances lost \(jobs): \(error)"
        case .wake: "wake"
        case .stop: "stop"
        case .endAll: "end all"
        }
    }

    static func text(_ effect: DispatchEffect) -> String {
        switch effect {
        case .answer(let path, let reply): "\(text(path)) \(text(reply))"
        case .answerSystem(let path, let snapshot): "\(text(path)) document \(snapshot.subject.rawValue)"
        case .sendTerminal(let path, let job, let id): "\(text(path)) terminal of \(job) \(id)"
        case .order(let connection, let message): "\(connection) \(text(message))"
        case .deliver(let connection, let key, let header):
            "\(connection) JOB \(key) first attempt \(header.firstAttempt), \(header.remaining) left"
        case .keepRequest(let job, let key): "keep request \(job) \(key.tenant)/\(key.id)"
        case .keepTerminal(let job): "keep terminal \(job)"
        case .composeTerminal(let job, let failure): "compose \(job) \(failure.reason.rawValue): \(failure.message)"
        case .forget(let job): "forget \(job)"
        case .drain(let connection): "drain \(connection)"
        case .write(let ticket, let mark): "write \(ticket): \(mark)"
        case .publish(.deliveryLost(_, let key, let worker)): "publish delivery lost \(key) with \(worker)"
        case .publish(.workerLost(let name, _, let reason, let requeued, let failed)):
            "publish worker lost \(name) \(reason.rawValue), requeued \(requeued), failed \(failed)"
        case .publish(let event): "publish \("\(event)".prefix { $0 != "(" })"
        }
    }

    static func text(_ path: AgentPath) -> String {
        guard path.isLockStep else { return "\(path.connection)" }
        return "\(path.connection)[\(path.envelope.frames.first.map { String(decoding: $0, as: UTF8.self) } ?? "")]"
    }

    private static func text(_ message: AgentMessage) -> String {
        switch message {
        case .hello: "HELLO"
        case .request(let id, let header):
            "REQUEST \(id) deadline \(header.deadline) priority \(header.priority) on_loss \(header.onLoss.rawValue)"
                + (header.cancelOnDisconnect ? " cancel_on_disconnect" : "")
        case .cancel(let id): "CANCEL \(id)"
        case .get(let id, let wait): "GET \(id) wait \(wait)"
        case .acknowledge(let id): "ACK \(id)"
        case .task(let report): "TASK \(report.task)"
        case .ping: "PING"
        case .bye: "BYE"
        }
    }

    private static func text(_ message: WorkerMessage) -> String {
        switch message {
        case .ready(let ready):
            "READY \(ready.name) capacity \(ready.capacity) held "
                + "[\(ready.held.map { "\($0.key) \($0.state.rawValue)" }.joined(separator: ", "))]"
        case .credit(let total): "CREDIT \(total)"
        case .start(let key): "START \(key)"
        case .chunk(let key): "CHUNK \(key)"
        case .reply(let key): "REPLY \(key)"
        case .failure(let key): "FAILURE \(key)"
        case .returned(let key, let reason): "RETURN \(key) \(reason.rawValue)"
        case .beat: "BEAT"
        case .event: "EVENT"
        case .bye: "BYE"
        }
    }

    static func text(_ reply: AgentReply) -> String {
        switch reply {
        case .welcome: "WELCOME"
        case .accepted(let id, _, let duplicate): "ACCEPTED \(id)\(duplicate ? " duplicate" : "")"
        case .rejected(let id, let error): "REJECTED \(id) \(error)"
        case .state(let id, let state): "STATE \(id) \(state.phase.rawValue)"
        case .document(let id, _): "STATE \(id) sys"
        case .ok(let id): "OK \(String(decoding: id, as: UTF8.self))"
        case .pong: "PONG"
        case .error(let id, let error): "ERROR \(String(decoding: id, as: UTF8.self)) \(error)"
        }
    }

    private static func text(_ message: BrokerMessage) -> String {
        switch message {
        case .welcome(let welcome): "WELCOME keep \(welcome.keep) drop \(welcome.drop)"
        case .job(let key, _): "JOB \(key)"
        case .go(let key, _): "GO \(key)"
        case .noGo(let key, _, let reason, _): "NOGO \(key) \(reason.rawValue)"
        case .cancel(let key, _): "CANCEL \(key)"
        case .acknowledge(let key): "ACK \(key)"
        case .beat(let order): "BEAT \(order.rawValue)"
        case .error(_, let error): "ERROR \(error)"
        }
    }
}
