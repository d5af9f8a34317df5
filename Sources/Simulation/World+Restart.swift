import BusProtocol
import CoreTypes
import Dispatch
import Journal

/// Brokers that die between any two effects, and those that come after them.
extension World {
    /// Kills the broker. Of the commit under way any part may be on disk; nobody was told of it.
    func crashBroker() {
        guard isBrokerUp else { return }
        brokerCrashesLeft -= 1
        statistics.brokerCrashes += 1
        generation += 1
        isBrokerUp = false
        var kept = 0
        if disk != nil {
            kept = crashDisk()
        } else if journal.inCommit > 0 {
            switch random.below(4) {
            case 0: kept = journal.inCommit
            case 1: kept = random.below(journal.inCommit + 1)
            default: break
            }
        }
        trace.note(now, "the broker dies, \(kept) of \(journal.queue.count) writes are on disk")
        journal.disk.commit(journal.queue[..<kept].map(\.entry), now: wall)
        journal.queue = []
        journal.inCommit = 0
        journal.isFailing = false
        journal.ticketTaken = 0
        journal.ticketReported = 0
        journal.newsLast = .zero
        brokerBusyUntil = .zero
        for connection in connections where !connection.isSevered { sever(connection) }
        brokerStartsAt = after(.milliseconds(5), .seconds(random.chance(0.7) ? 2 : 20))
        schedule.add(.brokerStarts, at: brokerStartsAt)
    }

    /// What was on its way to the broker is lost; of what was on its way to the peer, always the last.
    private func sever(_ connection: Connection) {
        connection.isSevered = true
        connection.upward.removeAll()
        guard !connection.downward.isEmpty else { return }
        let kept = random.below(connection.downward.count + 1)
        connection.downward.removeLast(connection.downward.count - kept)
    }

    /// A new broker begins with what is on disk.
    func startBroker() {
        guard !isBrokerUp else { return }
        isBrokerUp = true
        if configuration.hasJournal, random.chance(0.2) { setClock() }
        beginEpoch()
        trace.note(now, "a broker starts, epoch \(configuration.epoch)")
        wakeAt = nil
        scheduleWake()
        for agent in agents {
            if let connection = agent.connection, connection.isSevered {
                schedule.add(.reconnects(connection), at: after(.zero, .seconds(1)))
            }
        }
        for worker in workers where worker.connection.isSevered {
            schedule.add(.reconnects(worker.connection), at: after(.zero, .seconds(random.chance(0.8) ? 1 : 12)))
        }
    }

    /// Sets the wall clock forwards or backwards.
    func setClock() {
        let jump = Int64(random.below(120_000)) - 60_000
        trace.note(now, "the wall clock is set by \(jump) ms")
        wallOffset += jump
        isClockSteady = false
    }

    /// Makes a dispatcher with what is on disk.
    func beginEpoch() {
        configuration.seed = random.next()
        let wall = wall
        let (found, epoch) = configuration.hasJournal ? openJournal() : (RecoveredState(), wall)
        let state = found.withoutFuture(now: wall, dedup: configuration.dedup)
        configuration.epoch = epoch
        dispatcher = Dispatcher(configuration: configuration, now: now)
        store = MemoryJobStore()
        if let last = state.numberLast { dispatcher.restore(numberLast: last, epochLast: state.epochLast) }
        func moment(_ time: Int64) -> Moment { now.advanced(by: .milliseconds(time - wall)) }
        let tombstones = state.tombstones.map {
            Referee.Remembered(key: $0.key, body: $0.bodyHash, until: moment($0.rememberedUntil))
        }
        for tombstone in tombstones {
            dispatcher.restoreForgotten(tombstone.key, body: tombstone.body, until: tombstone.until)
        }
        let restored = state.jobs.map { request($0, moment) }
        for (job, request) in zip(state.jobs, restored) {
            store.keepRequest(job.number, job.key, body: job.body)
            if let ending = job.ending {
                store.keepTerminal(job.number, ending.terminal)
                if let seen = seenTerminals[job.key], seen != ending.terminal {
                    referee.fail("same id, same terminal", "\(job.number) came back with another terminal")
                }
            }
            dispatcher.restore(request, now: now)
        }
        referee.restart(restored, tombstones, configuration, isClockSteady: isClockSteady, now: now)
    }

    private func request(_ job: RecoveredJob, _ moment: (Int64) -> Moment) -> RestoredRequest {
        let byteCount = bodies[job.number]?.byteCount ?? 0
        return RestoredRequest(
            number: job.number,
            facts: AcceptedFacts(
                key: job.key,
                header: job.header,
                body: BodyFacts(hash: job.bodyHash, byteCount: byteCount),
                ttl: job.ttl
            ),
            acceptedAt: moment(job.acceptedAt),
            expiresAt: moment(job.expiresAt),
            started: job.started,
            deaths: job.deaths,
            ending: job.ending.map {
                RestoredRequest.Ending(isReply: $0.isReply, brokerClass: $0.failureClass, at: moment($0.endedAt))
            }
        )
    }

    /// At the end of a play: what a broker would find that came now.
    func checkDisk() {
        guard configuration.hasJournal else { return }
        endDisk()
        let wall = wall
        let state = journal.disk.recover(now: wall).withoutFuture(now: wall, dedup: configuration.dedup)
        func moment(_ time: Int64) -> Moment { now.advanced(by: .milliseconds(time - wall)) }
        let tombstones = state.tombstones.map {
            Referee.Remembered(key: $0.key, body: $0.bodyHash, until: moment($0.rememberedUntil))
        }
        var next = configuration
        next.epoch += 1
        referee.restart(
            state.jobs.map { request($0, moment) },
            tombstones,
            next,
            isClockSteady: isClockSteady,
            now: now
        )
    }

    // MARK: - Peers

    /// A peer finds the new broker. What it had sent in the meantime goes there too, before anything else.
    func reconnect(_ connection: Connection) {
        guard connection.isSevered, !connection.isClosed, isBrokerUp else { return }
        var carried = connection.upward
        if !carried.isEmpty, random.chance(0.3) { carried.removeFirst(1 + random.below(carried.count)) }
        connection.isClosed = true
        connection.upward = []
        connection.downward = []
        let next = connect(connection.peer)
        switch connection.peer {
        case .agent(let agent):
            agent.connection = next
            for message in carried { send(message, over: next) }
            resubmit(agent)
        case .worker(let worker):
            worker.link = next
            for message in carried { send(message, over: next) }
            join(worker)
        }
    }
}
