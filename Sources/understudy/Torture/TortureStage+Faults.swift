import CoreTypes
import EventLoop
import Glibc

/// What strikes the processes.
extension TortureStage {
    func strike(_ watch: BusWatch, script: String) async {
        let end = loop.now().advanced(by: plan.duration)
        var shown = Moment.zero
        while loop.now() < end, !isInterrupted, trouble == nil, strikes.killCount < plan.killsMax ?? .max {
            let next = faults.next()
            try? await Task.sleep(for: next.pause)
            perform(next, watch)
            if Console.error.isTerminal, shown.duration(to: loop.now()) > .milliseconds(500) {
                shown = loop.now()
                let left = max(0, loop.now().duration(to: end).wholeMilliseconds / 1000)
                Console.error.write(
                    Array("\r\u{1B}[K\(strikes.killCount) kills, \(strikes.freezes) freezes, \(left) s left".utf8)
                )
            }
        }
        if Console.error.isTerminal { Console.error.write(Array("\r\u{1B}[K".utf8)) }
    }

    private func perform(_ strike: FaultPlan.Strike, _ watch: BusWatch) {
        if case .renewal = strike.fault {
            strikes.renewals += 1
            bus?.renew()
            return
        }
        guard let (pid, name) = target(strike) else { return }
        switch strike.fault {
        case .kill:
            strikes.kills[strike.victim.rawValue, default: 0] += 1
            if strike.victim == .worker { watch.workerKilled(pid) }
            if strike.victim == .broker { watch.brokerKilled(self) }
            kill(pid, SIGKILL)
        case .freeze(let time):
            strikes.freezes += 1
            kill(pid, SIGSTOP)
            loop.schedule(at: loop.now().advanced(by: time)) {
                // The process id may have been given to nobody else: the child is reaped here only.
                // A worker may be an old one by now.
                if self.currentPid(name) == pid || self.currentPid("old \(name)") == pid { kill(pid, SIGCONT) }
            }
        case .drain:
            strikes.drains += 1
            kill(pid, SIGTERM)
        case .renewal:
            break
        }
    }

    private func target(_ strike: FaultPlan.Strike) -> (pid_t, String)? {
        let names: [String] =
            switch strike.victim {
            case .agent: agents.indices.map { "agent.\($0)" }
            case .worker: (1...plan.workers).map { "worker.\($0)" }
            case .broker: ["broker"]
            }
        let alive = names.compactMap { name in currentPid(name).map { ($0, name) } }
        return alive.isEmpty ? nil : alive[Int(strike.lot % UInt64(alive.count))]
    }

    private func currentPid(_ name: String) -> pid_t? {
        if name.hasPrefix("agent."), let index = Int(name.dropFirst(6)) { return agents[index].process?.pid }
        return bus?.processes[name]
    }
}
