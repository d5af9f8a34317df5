import BusProtocol
import CoreTypes
import Dispatch

/// What agents say, and which answers are due.
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
