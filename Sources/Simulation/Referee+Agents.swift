import BusProtocol
import CoreTypes
import Dispatch

/// An answer to the sender of a message, as far as it is predicted.
enum Answer: Equatable {
    case welcome
    case pong
    case ok
    case error(Int)
    case accepted(duplicate: Bool)
    case rejected
    case state
    case terminal
}

/// What agents are promised.
extension Referee {
    func begin(_ message: AgentMessage, from path: AgentPath, _ tenant: Tenant, _ body: BodyFacts?) {
        if path.isLockStep { pending[path, default: 0] += 1 }
        switch message {
        case .hello: answersDue = [.welcome]
        case .ping: answersDue = [.pong]
        case .task: answersDue = [.ok]
        case .bye:
            answersDue = [.ok]
            if path.isLockStep { pending[path] = 1 }
            leave(path.connection, except: path)
        case .request(let id, let header):
            guard let body else { return }
            answersDue = answers(toRequest: RequestKey(tenant: tenant, id: id), header, body, from: path)
        case .get(let id, let wait):
            if id.isReserved { return answersDue = [.state] }
            let key = RequestKey(tenant: tenant, id: id)
            guard let record = byKey[key] else { return answersDue = absent(key) }
            dueRecord = record
            if record.isOpen {
                answersDue = path.isLockStep && wait > .zero ? [] : [.state]
                if path.isLockStep, wait > .zero {
                    record.listeners.append(path)
                    waits.append((path, record.number, now.advanced(by: wait)))
                }
            } else {
                answersDue = [.terminal]
            }
        case .cancel(let id):
            let key = RequestKey(tenant: tenant, id: id)
            guard let record = byKey[key] else { return answersDue = absent(key) }
            answersDue = [.terminal]
            dueRecord = record
            if record.isOpen { mustCancel = [record] }
        case .acknowledge(let id):
            let key = RequestKey(tenant: tenant, id: id)
            guard let record = byKey[key] else {
                if id.isReserved { return answersDue = [.error(400)] }
                switch isRemembered(key) {
                case true: answersDue = [.ok]
                case false: answersDue = [.error(404)]
                default: break
                }
                return
            }
            answersDue = [record.isOpen || record.endTicket > committed ? .error(405) : .ok]
        }
    }

    private func answers(
        toRequest key: RequestKey,
        _ header: RequestHeader,
        _ body: BodyFacts,
        from path: AgentPath
    ) -> [Answer]? {
        if key.id.isReserved { return [.error(400)] }
        if let record = byKey[key] {
            guard record.body.hash == body.hash else { return [.error(409)] }
            dueRecord = record
            if record.isOpen {
                if path.isLockStep { record.listeners.append(path) }
                return path.isLockStep ? [] : [.accepted(duplicate: true)]
            }
            return path.isLockStep ? [.terminal] : [.accepted(duplicate: true), .terminal]
        }
        if let known = remembered[key] {
            guard now < known.until else { return nil }
            return [.error(known.body == body.hash ? 410 : 409)]
        }
        let isFull =
            expected.open >= configuration.openRequestsMax
            || expected.openBytes + body.byteCount > configuration.openBytesMax
            || expected.kept >= configuration.keptTerminalsMax
            || isBeyondLimits(key.tenant, body)
        let isDisk = durability(of: header) == .disk
        if isStopping || isFull || isDisk && (isJournalRefusing || !configuration.hasJournal) { return [.rejected] }
        return path.isLockStep ? [] : [.accepted(duplicate: false)]
    }

    private func absent(_ key: RequestKey) -> [Answer]? {
        if key.id.isReserved { return [.error(400)] }
        switch isRemembered(key) {
        case true: return [.error(410)]
        case false: return [.error(404)]
        default: return nil
        }
    }

    /// Nil in the moments between the end of the dedup time and the beat that notices it.
    private func isRemembered(_ key: RequestKey) -> Bool? {
        guard let known = remembered[key] else { return false }
        return now < known.until ? true : nil
    }

    /// Nobody listens at `connection` any more.
    func leave(_ connection: ConnectionID, except kept: AgentPath? = nil) {
        for record in live where record.isOpen {
            record.listeners.removeAll { $0.connection == connection }
            if record.cancelledWith == connection { mustCancel.append(record) }
        }
        waits.removeAll { $0.path.connection == connection }
        departed.insert(connection)
        pending = pending.filter { $0.key.connection != connection || $0.key == kept }
    }

    // MARK: - Effects

    func accept(_ job: JobNumber, _ key: RequestKey) {
        guard case .agent(let path, let tenant, .request(let id, let header), let body?) = event,
            key == RequestKey(tenant: tenant, id: id)
        else { return fail("requests are asked for", "\(job) was accepted without a REQUEST for it") }
        guard byKey[key] == nil, job > records.last?.number ?? JobNumber(0) else {
            return fail("the same id is the same request", "\(key.id) was accepted as \(job) while it is known")
        }
        if let known = remembered[key], now < known.until {
            return fail("the same id is the same request", "\(key.id) was accepted again as \(job) while remembered")
        }
        remembered[key] = nil
        let record = RequestRecord(
            job,
            key,
            header,
            body,
            durability: durability(of: header),
            path: path,
            now: now
        )
        byNumber[job] = record
        dueRecord = record
        if path.isLockStep { record.listeners.append(path) }
        record.turns = turns
        turns.enter(record, from: path.connection)
        records.append(record)
        live.append(record)
        byKey[key] = record
        accepted = record
        expected.accepted += 1
    }

    func check(_ reply: AgentReply, to path: AgentPath) {
        if isReleasing { return checkReleased(reply, to: path) }
        var answer: Answer
        switch reply {
        case .welcome: answer = .welcome
        case .pong: answer = .pong
        case .ok: answer = .ok
        case .error(_, let error): answer = .error(error.code.number)
        case .accepted(let id, _, let duplicate):
            answer = .accepted(duplicate: duplicate)
            if path.isLockStep { fail("lock-step gets no ACCEPTED", "\(TraceText.text(path)) got ACCEPTED \(id)") }
            checkIsKept(id)
            listen(path, id)
        case .rejected:
            answer = .rejected
            expected.rejected += 1
        case .document:
            answer = .state
        case .state(let id, _):
            answer = .state
            if !path.isLockStep {
                checkIsKept(id)
                listen(path, id)
            } else if let index = waits.firstIndex(where: { $0.path == path }) {
                if waits[index].due > now {
                    fail("GET waits as long as it said", "STATE to \(TraceText.text(path)) early")
                }
                record(waits[index].job)?.listeners.removeAll { $0 == path }
                waits.remove(at: index)
            }
        }
        answered(path)
        if case .agent(path, _, _, _) = event { answers.append(answer) }
    }

    func checkDocument(to path: AgentPath) {
        answered(path)
        if case .agent(path, _, _, _) = event { answers.append(.state) }
    }

    func listen(_ path: AgentPath, _ id: RequestID) {
        guard case .agent(_, let tenant, _, _) = event, let record = byKey[RequestKey(tenant: tenant, id: id)],
            record.isOpen, !record.listeners.contains(path)
        else { return }
        record.listeners.append(path)
    }

    func answered(_ path: AgentPath) {
        guard path.isLockStep, !isReleasing || !departed.contains(path.connection) else { return }
        let left = (pending[path] ?? 0) - 1
        if left < 0 { fail("one answer to each lock-step message", "\(TraceText.text(path)) got one too many") }
        pending[path] = left == 0 ? nil : left
    }

    func checkTerminal(_ job: JobNumber, _ id: RequestID, to path: AgentPath) {
        guard let record = record(job), !record.isOpen, !record.isForgotten, record.key.id == id else {
            return fail("terminals are kept", "terminal of \(job) was sent, which has none")
        }
        if record.endTicket > committed {
            fail("nothing is told before its commit", "terminal of \(job) before write \(record.endTicket)")
        }
        if isReleasing { return release(.terminal, of: record, to: path) }
        answered(path)
        waits.removeAll { $0.path == path }
        if let index = record.listeners.firstIndex(of: path), ended.contains(where: { $0 === record }) {
            record.listeners.remove(at: index)
            if case .agent(path, _, .cancel, _) = event { answers.append(.terminal) }
            return
        }
        if case .agent(path, _, let message, _) = event {
            switch message {
            case .request, .get, .cancel: return answers.append(.terminal)
            default: break
            }
        }
        fail("one terminal", "\(TraceText.text(path)) got the terminal of \(job) and did not wait for it")
    }

    func checkKeep(_ job: JobNumber) {
        guard case .worker(let connection, let message, _) = event else {
            return fail("terminals come from workers", "terminal of \(job) was kept without one in hand")
        }
        switch message {
        case .reply(let key) where key.job == job:
            expected.replied += 1
            record(job)?.isReply = true
            if let record = record(job), !record.paid.contains(key.delivery) {
                fail("calls have a GO", "REPLY \(key) of \(connection) won without a GO")
            }
        case .failure(let key) where key.job == job:
            expected.failed += 1
            if let record = record(job), key.delivery != record.deliveries {
                fail("a lost delivery's failure decides nothing", "FAILURE \(key) ended delivery \(record.deliveries)")
            }
        default:
            return fail("terminals come from workers", "terminal of \(job) was kept with another message in hand")
        }
        end(job, nil)
    }

    func checkCompose(_ job: JobNumber, _ failure: BrokerFailure) {
        expected.failed += 1
        end(job, failure.reason)
        guard let record = record(job) else { return }
        let isLegitimate =
            switch failure.reason {
            case .cancelled: mustCancel.contains { $0 === record }
            case .deadline: now >= record.expiresAt
            case .workerLost: lost.contains(job) && record.isStarted && record.paid.count >= record.paidMax
            case .poison: record.deaths >= 3 || record.returns > configuration.returnsMax
            case .shuttingDown: if case .endAll = event { record.durability == .memory } else { false }
            default: false
            }
        if !isLegitimate {
            fail("the broker ends for a reason", "\(job) ended in \(failure.reason.rawValue): \(failure.message)")
        }
    }

    private func end(_ job: JobNumber, _ reason: FailureClass?) {
        guard let record = record(job) else { return fail("one terminal", "terminal of \(job), which is unknown") }
        guard record.isOpen else { return fail("one terminal", "\(job) got a second terminal") }
        ended.append(record)
        endedWith.append(reason)
        holderAtEnd.append(record.holder)
        record.state = .ended
        record.endedAt = now
    }

    func forget(_ job: JobNumber) {
        if refused.contains(where: { $0.number == job }) { return }
        guard let record = record(job), let endedAt = record.endedAt, !record.isForgotten else {
            return fail("terminals are kept", "\(job) was forgotten before its end")
        }
        if case .agent(_, _, .acknowledge(let id), _) = event {
            if id != record.key.id { fail("terminals are kept", "\(job) was forgotten by the ACK of \(id)") }
        } else if endedAt.advanced(by: record.ttl) > now {
            fail("terminals are kept", "\(job) was forgotten before ACK and ttl")
        }
        record.isForgotten = true
        live.removeAll { $0 === record }
        byKey[record.key] = nil
        remembered[record.key] = (record.body.hash, now.advanced(by: configuration.dedup), record.number)
    }

    // MARK: - After the effects

    func concludeAgents() {
        for (index, record) in ended.enumerated() {
            if record.endTicket > committed { oweTerminal(of: record) }
            if let path = record.listeners.first {
                fail(
                    "everyone who waits gets the terminal",
                    "\(TraceText.text(path)) did not get that of \(record.number)"
                )
            }
            checkCancelOrder(record, reason: endedWith[index], holder: holderAtEnd[index])
        }
        if case .agent(let path, _, let message, _) = event {
            if let due = dueNow(path, message), answers != due {
                fail(
                    "agents get the answers that the protocol names",
                    "\(TraceText.text(path)) got \(answers) to \(message), expected \(due)"
                )
            }
            if case .request(let id, _) = message, accepted == nil {
                checkAccepted(id, path)
            }
        }
        for record in mustCancel where record.isOpen {
            fail("cancel is real", "\(record.number) is open after it was cancelled")
        }
    }

    /// A lock-step `REQUEST` that was not answered must have been taken.
    private func checkAccepted(_ id: RequestID, _ path: AgentPath) {
        guard path.isLockStep, answers.isEmpty, case .agent(_, let tenant, _, _) = event else { return }
        if byKey[RequestKey(tenant: tenant, id: id)] == nil {
            fail("one answer to each lock-step message", "REQUEST \(id) of \(TraceText.text(path)) was lost")
        }
    }

    /// Who has a request that ended without him is told.
    private func checkCancelOrder(_ record: RequestRecord, reason: FailureClass?, holder: ConnectionID?) {
        guard let holder, !lost.contains(record.number) else { return }
        if case .worker(holder, let message, _) = event {
            switch message {
            case .reply(let key), .failure(let key), .returned(let key, _):
                if key.delivery == record.deliveries { return }
            default: break
            }
        }
        let seat = seat(holder)
        guard seat.session != nil, seat.isReachable, !cancelOrders.contains(record.number) else { return }
        fail("cancel is real", "\(holder) has \(record.number), which ended, and was not told")
    }
}
