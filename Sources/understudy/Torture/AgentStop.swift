import Synchronization

/// Passes the wish to stop to an agent that may not be there yet.
final class AgentStop: Sendable {
    private struct State {
        var agent: TortureAgent?
        var isWanted = false
    }

    private let state = Mutex(State())

    /// Stops `agent` when that is wanted, now or later.
    func follow(_ agent: TortureAgent) {
        let isWanted = state.withLock { state in
            state.agent = agent
            return state.isWanted
        }
        if isWanted { agent.stop() }
    }

    /// Wants the stop.
    func now() {
        let agent = state.withLock { state in
            state.isWanted = true
            return state.agent
        }
        agent?.stop()
    }
}
