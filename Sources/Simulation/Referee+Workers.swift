import BusProtocol
import CoreTypes
import Dispatch

/// What workers say, and what they may be told.
extension Referee {
    func begin(_ message: WorkerMessage, from seat: Seat) {
        if case .ready = message { return }
        guard seat.session != nil else { return }
        seat.leaseUntil = now.advanced(by: configuration.lease)
        switch message {
        case .credit(let total):
            seat.granted = total
            seat.isFull = false
        case .reply(let key), .failure(let key): seat.release(key)
        case .returned(let key, let reason):
            if reason == .draining { seat.isQuiet = true }
            if reason == .full { seat.isFull = true }
            let hadIt = seat.held.contains(key.wholeDelivery)
            seat.release(key)
            guard hadIt, let record = record(key.job), record.holder == seat.connection,
                record.deliveries == key.delivery, !record.isStarted
            else { return }
            record.state = .queued
            record.returns += 1
        default: break
        }
    }

    func check(_ message: BrokerMessage, to seat: Seat, _ effects: [DispatchEffect]) {
        switch message {
        case .welcome(let welcome): checkWelcome(welcome, to: seat)
        case .job: fail("JOBs are deliveries", "a JOB came as an order")
        case .go(let key, let session): checkGo(key, session, to: seat)
        case .noGo(let key, let session, _, _):
            checkIsStart(key, of: seat, session)
            expected.noGoes += 1
        case .cancel(let key, let session):
            if session != seat.session { fail("sessions are kept", "CANCEL \(key) with another session") }
            cancelOrders.append(key.job)
        case .acknowledge(let key): checkAcknowledge(key, to: seat)
        case .beat(.rejoin): checkRejoin(seat, effects)
        case .beat:
            seat.isFull = false
            if seat.session == nil { fail("sessions are kept", "BEAT to \(seat.connection) without session") }
        case .error(_, let error): fail("workers are understood", "ERROR \(error) to \(seat.connection)")
        }
    }

    // MARK: - After the effects

    func concludeWorkers() {
        switch event {
        case .worker(let connection, .bye, _), .workerDrained(let connection):
            if seat(connection).session != nil { dismiss(seat(connection)) }
        case .workerDisconnected(let connection), .workerProcessGone(let connection):
            let seat = seat(connection)
            if seat.session != nil, seat.isGone, seat.isDisconnected, !seat.isDrainAsked {
                fail("the dead are drained", "\(connection) is dead and its rest was not asked for")
            }
        case .worker(let connection, .start(let key), _):
            let seat = seat(connection)
            if startAnswers != 1, seat.session != nil, seat.isReachable, !waitsForMark(key, seat) {
                fail("START is answered", "START \(key) of \(connection) got \(startAnswers) answers")
            }
        case .worker(let connection, .reply(let key), _), .worker(let connection, .failure(let key), _):
            if acknowledged != 1, seat(connection).session != nil, !oweAcknowledgement(key, connection) {
                fail("terminals are acknowledged", "\(key) of \(connection) got \(acknowledged) ACKs")
            }
            if case .worker(_, .reply, _) = event, seat(connection).session != nil, let record = record(key.job),
                record.isOpen, record.paid.contains(key.delivery)
            {
                fail("the first terminal wins", "REPLY \(key) of \(connection) is paid for and was not used")
            }
        default: break
        }
        for seat in dismissed {
            seat.session = nil
            seat.held = []
            for record in live where record.holder == seat.connection {
                fail("nothing is leased to the dead", "\(record.number) is leased to \(seat.connection), which is lost")
            }
        }
        if case .wake = event {
            for case let seat? in seats where seat.session != nil && !seat.isDrainAsked {
                if seat.leaseUntil.advanced(by: configuration.beatInterval * 2) <= now {
                    fail("leases are kept", "\(seat.connection) has work at \(now), its lease ended \(seat.leaseUntil)")
                }
            }
        }
        checkStarvation()
    }

    /// What waits is handed out as long as a worker takes it: at once to one that is idle, and within a tenth of a second
    /// to one that is warmed up, after which the broker's timers look again.
    private func checkStarvation() {
        if case .stalled = event { return }
        var isWake = false
        if case .wake = event { isWake = true }
        guard let waiting = live.first(where: { if case .queued = $0.state { true } else { false } }) else { return }
        for case let seat? in seats where seat.credit > 0 && !seat.isFull {
            let isWarm = isWake && seat.readyAt.duration(to: now) > .milliseconds(9200)
            if isWarm || seat.held.isEmpty {
                return fail(
                    "no starvation",
                    "\(waiting.number) waits while \(seat.connection) has credit \(seat.credit)"
                )
            }
        }
    }
}
