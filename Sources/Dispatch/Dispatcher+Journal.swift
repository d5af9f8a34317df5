import BusProtocol
import CoreTypes

/// What rests on the journal: the promise of `ACCEPTED`, the first `GO` of a delivery, terminals and their `ACK`s.
/// Dispatch itself waits for nothing.
extension Dispatcher {
    /// Whether something is held back until the journal has what it rests on.
    public var isWaitingForJournal: Bool { gate.count > 0 || !gate.isOpen(gate.issued) }

    /// Orders a write and gives its number.
    mutating func write(_ mark: JournalMark, into effects: inout [DispatchEffect]) -> JournalTicket {
        let ticket = gate.issue()
        effects.append(.write(ticket, mark))
        return ticket
    }

    /// Performs an effect of `job` now, or when `ticket` is committed.
    mutating func perform(
        _ effect: DispatchEffect,
        of job: Job,
        after ticket: JournalTicket,
        into effects: inout [DispatchEffect]
    ) {
        if gate.isOpen(ticket) {
            effects.append(effect)
        } else {
            gate.hold(.effect(effect), of: job.number, until: ticket)
        }
    }

    mutating func sendTerminal(of job: Job, to path: AgentPath, into effects: inout [DispatchEffect]) {
        perform(.sendTerminal(path, job.number, job.key.id), of: job, after: job.endTicket, into: &effects)
    }

    /// A state tells that the request was accepted, so it waits for that to be true.
    mutating func sendState(of job: Job, to path: AgentPath, now: Moment, into effects: inout [DispatchEffect]) {
        let answer = DispatchEffect.answer(path, .state(job.key.id, state(of: job, now: now)))
        perform(answer, of: job, after: job.acceptTicket, into: &effects)
    }

    mutating func release(_ held: CommitGate.Held, now: Moment, into effects: inout [DispatchEffect]) {
        switch held {
        case .effect(let effect): effects.append(effect)
        case .go(let key, let session): startCommitted(key, session: session, now: now, into: &effects)
        }
    }

    /// The journal could not keep these requests: whoever waits is told so, and nothing is remembered of them. None of
    /// them can have got a `GO`.
    mutating func acceptancesLost(
        _ numbers: [JobNumber],
        _ error: BusError,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        var paths: [JobNumber: [AgentPath]] = [:]
        for (number, held) in gate.remove(of: Set(numbers)) {
            switch held {
            case .effect(.answer(let path, _)), .effect(.sendTerminal(let path, _, _)):
                if paths[number]?.contains(path) != true { paths[number, default: []].append(path) }
            case .effect(let effect):
                effects.append(effect)
            case .go:
                break
            }
        }
        for number in numbers {
            guard let job = jobs[number] else { continue }
            for listener in job.listeners where paths[number]?.contains(listener.path) != true {
                paths[number, default: []].append(listener.path)
            }
            dropUnkept(job, error, into: &effects)
            for path in paths[number] ?? [] { effects.append(.answer(path, .rejected(job.key.id, error))) }
        }
        dispatch(now: now, into: &effects)
    }

    private mutating func dropUnkept(_ job: Job, _ error: BusError, into effects: inout [DispatchEffect]) {
        tellHolderToCancel(job, into: &effects)
        switch job.phase {
        case .queued:
            queue.remove(job)
            counters.queued -= 1
        case .leased:
            counters.leased -= 1
        case .orphaned:
            counters.orphaned -= 1
        case .ended(let isReply, _):
            counters.kept -= 1
            if isReply { counters.replied -= 1 } else { counters.failed -= 1 }
        }
        if job.isOpen {
            counters.openBytes -= job.body.byteCount
            tenants.release(job.key.tenant, bytes: job.body.byteCount)
            counters.tenants = tenants.activeCount
        }
        // Its place in the queue is void from here on.
        job.phase = .ended(isReply: false, nil)
        counters.accepted -= 1
        counters.rejected += 1
        rejections[error.code, default: 0] += 1
        jobs[job.number] = nil
        numbers[job.key] = nil
        for listener in job.listeners {
            detach(listener.path.connection, from: job)
            if listener.waitTicket != 0 { retireTimer() }
        }
        if let connection = job.cancelledWith { detach(connection, from: job) }
        retireTimer()
        effects.append(.forget(job.number))
        effects.append(.publish(.requestRejected(job.key, task: job.header.task, error.code)))
    }
}
