import BusProtocol
import CoreTypes
import Dispatch

/// The ends of requests: one each, for a reason, and kept until it may be forgotten.
extension Referee {
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
}
