import CoreTypes
import Dispatch

/// What goes wrong.
extension World {
    /// Something other than a crash at an effect.
    func fault() {
        guard isActive, let interval = scenario.faultInterval else { return }
        schedule.add(.fault, at: after(.zero, interval * 2))
        let worker = workers.isEmpty ? nil : workers[random.below(workers.count)]
        switch random.below(12) {
        case 0, 1:
            if let worker { crash(worker) }
        case 2, 3:
            // Often it wakes just after it was given up, while another has its work.
            let lease = configuration.lease
            let until =
                random.chance(0.5)
                ? after(lease - .seconds(1), lease + configuration.beatInterval + .seconds(3))
                : after(.milliseconds(100), .seconds(5))
            if let worker { freeze(worker, until: until) }
        case 4:
            stall()
        case 5:
            if let worker, !worker.isFrozen { reconnect(worker) }
        case 6:
            if let worker, !worker.isFrozen, !worker.isDraining { drain(worker) }
        case 7:
            // Their whole group was stopped.
            let until = after(.seconds(1), .seconds(40))
            for worker in workers { freeze(worker, until: until) }
        case 8:
            if brokerCrashesLeft > 0 { crashBroker() }
        case 9:
            guard configuration.hasJournal else { return }
            journalFailsUntil = after(.milliseconds(50), .seconds(random.chance(0.7) ? 1 : 6))
            trace.note(now, "the disk is full until \(journalFailsUntil)")
        case 10:
            if configuration.hasJournal { setClock() }
        default:
            crash(agents[random.below(agents.count)])
        }
    }

    /// A crash at an effect: of the one it is for, or of anyone.
    func crashSomebody(near effect: DispatchEffect) {
        let connection: Connection? =
            switch effect {
            case .answer(let path, _), .answerSystem(let path, _), .sendTerminal(let path, _, _):
                connections[Int(path.connection.value) - 1]
            case .order(let id, _), .deliver(let id, _, _), .drain(let id): connections[Int(id.value) - 1]
            default: nil
            }
        if let connection, random.chance(0.6) {
            switch connection.peer {
            case .agent(let agent): if agent.connection === connection { crash(agent) }
            case .worker(let worker): crash(worker)
            }
        } else if !workers.isEmpty, random.chance(0.7) {
            crash(workers[random.below(workers.count)])
        } else {
            crash(agents[random.below(agents.count)])
        }
    }

    func crash(_ agent: Agent) {
        guard let connection = agent.connection else { return }
        trace.note(now, "agent \(agent.number) crashes")
        statistics.agentCrashes += 1
        close(connection, losingTail: true)
        agent.connection = nil
        agent.givesUpAt = nil
    }

    func crash(_ worker: Worker) {
        guard worker.isAlive else { return }
        trace.note(now, "\(worker.name) crashes")
        statistics.workerCrashes += 1
        end(worker, losingTail: true)
    }

    /// The process ends; the broker sees the closed connection and the end of the process in any order.
    func end(_ worker: Worker, losingTail: Bool) {
        worker.isAlive = false
        workers.removeAll { $0 === worker }
        close(worker.connection, losingTail: losingTail)
        let most: Duration = random.chance(0.8) ? .milliseconds(5) : .seconds(2)
        for connection in connections {
            if case .worker(let owner) = connection.peer, owner === worker, connection.isKnown {
                schedule.add(.gone(connection), at: after(.zero, most))
            }
        }
        if !connections[Int(worker.connection.id.value) - 1].isKnown {
            // Its pid becomes known with its first message, if that still comes.
            schedule.add(.gone(worker.connection), at: after(.seconds(1), .seconds(3)))
        }
        schedule.add(.workerStarts, at: after(.zero, .seconds(random.chance(0.7) ? 1 : 8)))
    }

    private func freeze(_ worker: Worker, until moment: Moment) {
        guard !worker.isFrozen else { return }
        trace.note(now, "\(worker.name) freezes")
        worker.isFrozen = true
        statistics.freezes += 1
        schedule.add(.thaws(worker), at: moment)
    }

    private func reconnect(_ worker: Worker) {
        trace.note(now, "\(worker.name) loses its connection")
        statistics.reconnects += 1
        close(worker.connection, losingTail: true)
        worker.link = connect(.worker(worker))
        join(worker)
    }

    /// The broker stands still; what was sent meanwhile waits, and it knows afterwards how long it was.
    private func stall() {
        guard isBrokerUp, now >= brokerBusyUntil else { return }
        let gap = random.duration(.milliseconds(100), .seconds(random.chance(0.7) ? 5 : 40))
        trace.note(now, "the broker stands still for \(gap)")
        statistics.stalls += 1
        stalledGeneration = generation
        brokerBusyUntil = now.advanced(by: gap)
        if gap > configuration.beatInterval { schedule.add(.stalled(gap), at: brokerBusyUntil) }
    }

    func thaw(_ worker: Worker) {
        guard worker.isAlive, worker.isFrozen else { return }
        trace.note(now, "\(worker.name) wakes")
        worker.isFrozen = false
        var backlog: [Occurrence] = []
        swap(&backlog, &worker.backlog)
        // What came over the socket and what came from inside keep their order, but either may be looked at first.
        let socketFirst = random.chance(0.5)
        for round in [true, false] {
            for occurrence in backlog {
                let isSocket =
                    switch occurrence {
                    case .reachesPeer: true
                    default: false
                    }
                if (isSocket == socketFirst) == round { schedule.add(occurrence, at: now) }
            }
        }
    }
}
