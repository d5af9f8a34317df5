import BusProtocol
import CoreTypes
import Dispatch

/// An agent of a scenario: each call sends a message and gives everything that came back so far.
struct Agent {
    /// What an agent can read from its socket.
    enum Received: Equatable {
        case welcome
        case accepted(String)
        case duplicate(String)
        case rejected(ErrorCode)
        case state(RequestState.Phase)
        case document(SystemSnapshot?)
        case ok
        case pong
        case error(ErrorCode)
        case reply(String)
        case failure(String, Ledger.Standing?)

        init(_ reply: AgentReply) {
            self =
                switch reply {
                case .welcome: .welcome
                case .accepted(let id, _, let duplicate): duplicate ? .duplicate(id.text) : .accepted(id.text)
                case .rejected(_, let error): .rejected(error.code)
                case .state(_, let state): .state(state.phase)
                case .document: .document(nil)
                case .ok: .ok
                case .pong: .pong
                case .error(_, let error): .error(error.code)
                }
        }

        /// A `FAILURE` that the broker made.
        static func broke(_ id: String, _ reason: FailureClass) -> Received { .failure(id, .failed(reason)) }
        /// A `FAILURE` of a worker.
        static func failed(_ id: String) -> Received { .failure(id, .failed(nil)) }
    }

    let scenario: Scenario
    let path: AgentPath
    let tenant: Tenant

    init(_ scenario: Scenario, _ path: AgentPath, _ tenant: Tenant) {
        self.scenario = scenario
        self.path = path
        self.tenant = tenant
    }

    @discardableResult
    func request(
        _ id: String,
        body: UInt64 = 1,
        bytes: Int = 100,
        _ configure: (inout RequestHeader) -> Void = { _ in }
    ) -> [Received] {
        var header = RequestHeader()
        configure(&header)
        let facts = BodyFacts(hash: BodyHash(body, 2, 3, 4), byteCount: bytes)
        scenario.feed(.agent(path, tenant, .request(Self.id(id), header), body: facts))
        return take()
    }

    @discardableResult
    func get(_ id: String, wait: Duration = .zero) -> [Received] { send(.get(Self.id(id), wait: wait)) }

    @discardableResult
    func cancel(_ id: String) -> [Received] { send(.cancel(Self.id(id))) }

    @discardableResult
    func acknowledge(_ id: String) -> [Received] { send(.acknowledge(Self.id(id))) }

    @discardableResult
    func send(_ message: AgentMessage) -> [Received] {
        scenario.feed(.agent(path, tenant, message, body: nil))
        return take()
    }

    func disconnect() { scenario.feed(.agentDisconnected(path.connection)) }

    /// What came since the last look.
    func take() -> [Received] { scenario.takeMail(of: path) }

    static func id(_ text: String) -> RequestID {
        guard let id = RequestID(text) else { preconditionFailure("\(text) is no request id") }
        return id
    }
}
