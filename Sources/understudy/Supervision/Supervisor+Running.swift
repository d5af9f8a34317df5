import CoreTypes

/// The life of a bus: its children are started role by role, and started again when they end.
extension Supervisor {
    /// Starts what may start now, and announces when all run for the first time.
    mutating func advance(_ now: Moment, _ effects: inout [Effect]) {
        guard goal == .run, !isAnnounced else { return }
        for role in Role.allCases {
            let children = order.filter { $0.role == role }
            for child in children where records[child]?.phase == .waiting { spawn(child, now, &effects) }
            guard children.allSatisfy({ isRunning($0) }) else { return }
        }
        isAnnounced = true
        effects.append(.announce)
    }

    mutating func spawn(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        records[child]?.phase = .starting(since: now)
        effects.append(.spawn(child))
    }

    func isRunning(_ child: Child) -> Bool {
        guard case .running = records[child]?.phase else { return false }
        return true
    }

    mutating func becomeReady(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        guard case .starting(let since) = records[child]?.phase else { return }
        records[child]?.phase = .running(since: since)
        if isAnnounced { effects.append(.say("\(child) is back")) }
        if isStoppingWorkers, child.role == .broker { effects.append(.signal(child, SignalSource.quiet)) }
        advance(now, &effects)
        renewed(child, now, &effects)
    }

    mutating func end(_ child: Child, _ ending: Ending, _ now: Moment, _ effects: inout [Effect]) {
        if child.isOld { return retired(child, ending, now, &effects) }
        guard let record = records[child], record.isAlive else { return }
        switch goal {
        case .run:
            if !replace(child, now, &effects) { lose(child, record, ending, now, &effects) }
        case .stop where isStoppingWorkers && child.role == .broker:
            rest(child, record, ending, now, &effects)
        case .stop, .kill:
            records[child]?.phase = .gone
            advanceStop(now, &effects)
        case .finished:
            break
        }
    }

    /// A child ended that nobody told to.
    private mutating func lose(
        _ child: Child,
        _ record: Record,
        _ ending: Ending,
        _ now: Moment,
        _ effects: inout [Effect]
    ) {
        guard !isAnnounced, let reason = fatal(ending, failures(of: child, record, now)) else {
            return rest(child, record, ending, now, &effects)
        }
        records[child]?.phase = .gone
        effects.append(.say("\(child) \(ending); stopping"))
        beginStop(reason, now, &effects)
    }

    /// Has a child that ended started again after its wait.
    private mutating func rest(
        _ child: Child,
        _ record: Record,
        _ ending: Ending,
        _ now: Moment,
        _ effects: inout [Effect]
    ) {
        let failures = failures(of: child, record, now)
        let wait = min(plan.backoffCap, Self.backoff(failures))
        records[child]?.failures = failures
        records[child]?.phase = .resting(until: now.advanced(by: wait))
        effects.append(.say("\(child) \(ending); starting it again in \(Double(wait.wholeMilliseconds) / 1000) s"))
    }

    /// Ends in a row, with the one of now.
    private func failures(of child: Child, _ record: Record, _ now: Moment) -> Int {
        guard case .running(let since) = record.phase, since.duration(to: now) >= Self.steadyLife else {
            return record.failures + 1
        }
        return 1
    }

    /// The status to end with when it is no use to go on; nil when it is.
    private func fatal(_ ending: Ending, _ failures: Int) -> ExitStatus? {
        if case .status(let number) = ending, let status = ExitStatus(rawValue: number), status.isPermanent {
            return status
        }
        return failures >= Self.startFailuresMax ? .trouble : nil
    }

    /// The wait before the start that follows the `failures`th end in a row.
    static func backoff(_ failures: Int) -> Duration {
        // 0.2 s doubled 6 times is above the cap.
        min(backoffCap, backoffBase * (1 << min(failures - 1, 10)))
    }
}
