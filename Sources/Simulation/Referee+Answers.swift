import BusProtocol
import Dispatch

/// What agents are answered.
extension Referee {
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
}
