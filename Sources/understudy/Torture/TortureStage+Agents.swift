import CoreTypes
import EventLoop
import Glibc

/// The processes of the agents: one that was killed is followed by another.
extension TortureStage {
    func startAgent(_ index: Int, script: String) {
        let agent = agents[index]
        let arguments =
            agent.isPython
            ? ["python3", "-B", script, directory.path, agent.log, "\(agent.seed)"] + (isEnding ? ["finish"] : [])
            : [
                "understudy", "torture-agent", "--directory", directory.path, "--log", agent.log, "--seed",
                "\(agent.seed)", "--parent", "\(getpid())",
            ] + (isEnding ? ["--finish"] : [])
        let command = ChildProcess.Command(
            executable: agent.isPython ? Self.python : "/proc/self/exe",
            arguments: arguments,
            environment: environment
        )
        do {
            agents[index].process = try ChildProcess(loop: loop, command: command) { report in
                switch report {
                case .line(let bytes): self.keep("agent.\(index + 1) | \(String(decoding: bytes, as: UTF8.self))")
                case .ready: break
                case .ended(let ending): self.agentEnded(index, ending, script: script)
                }
            }
        } catch {
            trouble = "an agent could not be started: \(error)"
        }
    }

    private func agentEnded(_ index: Int, _ ending: Supervisor.Ending, script: String) {
        agents[index].process = nil
        if isGivenUp || (ending == .status(0) && isEnding) { return }
        // One that had not begun to listen dies of the wish to stop; its successor does what it left.
        guard ending == .signal(SIGKILL) || (isEnding && ending == .signal(SIGTERM)) else {
            trouble = "agent.\(index + 1) \(ending)"
            return
        }
        agents[index].seed &+= 1000
        startAgent(index, script: script)
    }

    /// Tells the agents to begin nothing new and waits until they know the end of all they began.
    func endAgents() async -> Bool {
        for agent in agents {
            // Frozen ones too must hear it.
            agent.process?.signal(SIGCONT)
            agent.process?.signal(SIGTERM)
        }
        let until = loop.now().advanced(by: Self.endPatience)
        while agents.contains(where: { $0.process != nil }) {
            guard loop.now() < until, trouble == nil else {
                isGivenUp = true
                for agent in agents { agent.process?.signal(SIGKILL) }
                return trouble != nil
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return true
    }

    private static let python = "/usr/bin/python3"

    static func hasPython() -> Bool {
        var pid: pid_t = 0
        let arguments = CStrings(["python3", "-c", "import zmq"])
        guard unsafe posix_spawn(&pid, python, nil, nil, arguments.pointers, environ) == 0 else { return false }
        var status: CInt = 0
        unsafe waitpid(pid, &status, 0)
        return status == 0
    }
}
