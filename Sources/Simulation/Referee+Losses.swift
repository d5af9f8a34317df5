import BusProtocol
import Dispatch

/// When workers are lost, and what is lost with them.
extension Referee {
    func checkDrain(_ seat: Seat) {
        if !seat.isDisconnected || !seat.isGone || seat.session == nil {
            fail("death is not a disconnect", "drain of \(seat.connection), which is not dead")
        }
        seat.isDrainAsked = true
    }

    /// Silence, or a message from before a session: the worker has to come anew.
    func checkRejoin(_ seat: Seat, _ effects: [DispatchEffect]) {
        guard seat.session != nil else { return }
        guard case .wake = event, isSilent(seat) else {
            return fail(
                "leases are kept",
                "\(seat.connection) was given up at \(now), its lease holds until \(seat.leaseUntil)"
            )
        }
        dismiss(seat)
    }

    private func isSilent(_ seat: Seat) -> Bool {
        seat.session != nil && seat.leaseUntil <= now && !seat.isDrainAsked
    }

    func dismiss(_ seat: Seat) {
        guard !seat.isDismissed else { return }
        seat.isDismissed = true
        dismissed.append(seat)
    }

    func checkWorkerLost(_ name: String, _ reason: BusEvent.LossReason) {
        switch (reason, event) {
        case (.died, .workerDrained(let connection)):
            if !seat(connection).isDrainAsked { fail("the dead are drained", "\(connection) was lost undrained") }
        case (.lease, .wake):
            let silent = seats.compactMap { $0 }.filter { $0.name == name && isSilent($0) }
            if silent.isEmpty { fail("leases are kept", "\(name) was lost before its lease was over") }
            for seat in silent { dismiss(seat) }
        default:
            fail("death is not a disconnect", "a worker was lost by \(reason.rawValue) at another event")
        }
    }

    func checkLoss(_ key: DeliveryKey) {
        if isOrphanLost(key) { return }
        guard let record = record(key.job), let holder = record.holder, record.deliveries == key.delivery else {
            return fail("only what is leased is lost", "delivery \(key) was lost")
        }
        var isDeath = false
        switch event {
        case .workerDrained(holder):
            if !seat(holder).isDrainAsked { fail("the dead are drained", "\(key) was lost with \(holder) undrained") }
            isDeath = true
        case .wake where isSilent(seat(holder)): isDeath = true
        case .worker(holder, .ready, _), .worker(holder, .bye, _): break
        case .worker(_, .ready, _) where seat(holder).isDismissed: break
        case .worker(holder, .returned(let returned, _), _) where returned.wholeDelivery == key.wholeDelivery: break
        default: fail("death is not a disconnect", "\(key) was lost with \(holder), which is not dead")
        }
        if key.attempt != (record.isStarted ? record.attemptLast : 0) {
            fail("losses are told", "\(key) was lost after attempt \(record.attemptLast)")
        }
        if isDeath { record.deaths += 1 } else if !record.isStarted { record.returns += 1 }
        seat(holder).release(key)
        lost.append(key.job)
        record.state = .queued
        expected.lostDeliveries += 1
    }
}
