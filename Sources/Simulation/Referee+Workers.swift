import BusProtocol
import CoreTypes
import Dispatch

/// What workers may be told, and when they are lost.
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

    // MARK: - Effects

    func checkDelivery(_ key: DeliveryKey, _ header: JobHeader, to seat: Seat) {
        guard let record = record(key.job), record.isOpen else {
            return fail("nothing ended is delivered", "JOB \(key) to \(seat.connection)")
        }
        guard case .queued = record.state else {
            return fail("one worker has a request", "JOB \(key) to \(seat.connection) while \(record.state)")
        }
        guard let session = seat.session, !seat.isDismissed else {
            return fail("nothing is leased to the dead", "JOB \(key) to \(seat.connection), which has no session")
        }
        if !seat.isReachable {
            fail("nothing is leased to the dead", "JOB \(key) to \(seat.connection), which is disconnected or gone")
        }
        // Leases are looked at with each beat; what is given out in between is lost unbegun, and given to another.
        if seat.leaseUntil.advanced(by: configuration.beatInterval) <= now, case .wake = event {
            fail("nothing is leased to the dead", "JOB \(key) to \(seat.connection), whose lease is over")
        }
        if seat.credit <= 0 {
            fail(
                "credit is kept",
                "JOB \(key) to \(seat.connection), \(seat.sent) sent of \(seat.granted) granted, "
                    + "\(seat.held.count) held of \(seat.capacity)"
            )
        }
        if header.session != session { fail("sessions are kept", "JOB \(key) with another session than its worker's") }
        if key.delivery != record.deliveries + 1 || key.attempt != 0 {
            fail("deliveries count from 1", "JOB \(key) after delivery \(record.deliveries)")
        }
        if header.firstAttempt != record.attemptLast + 1 {
            fail(
                "attempts rise",
                "JOB \(key) begins with attempt \(header.firstAttempt) after \(record.attemptLast)"
            )
        }
        if record.paid.count >= record.paidMax {
            fail("paid deliveries are bounded", "JOB \(key) after \(record.paid.count), \(record.header.onLoss)")
        }
        if record.deaths >= 3 { fail("poison ends", "JOB \(key) after \(record.deaths) deaths") }
        if now >= record.expiresAt { fail("nothing expired is delivered", "JOB \(key) at \(now)") }
        checkTurn(record)
        record.deliveries = key.delivery
        record.isStarted = false
        record.state = .leased(seat.connection)
        seat.sent += 1
        seat.held.append(key.wholeDelivery)
        expected.deliveries += 1
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

    private func checkGo(_ key: DeliveryKey, _ session: SessionToken, to seat: Seat) {
        checkIsStart(key, of: seat, session)
        guard let record = record(key.job), record.isOpen else {
            return fail("no GO after the terminal", "GO \(key) to \(seat.connection)")
        }
        if now >= record.expiresAt { fail("no GO after expiry", "GO \(key) at \(now), expired \(record.expiresAt)") }
        if record.holder != seat.connection || record.deliveries != key.delivery {
            fail(
                "GO to the current delivery",
                "GO \(key) to \(seat.connection), delivery \(record.deliveries) is current"
            )
        }
        if !seat.isReachable { fail("no GO to the dead", "GO \(key) to \(seat.connection), disconnected or gone") }
        checkIsMarked(key, record)
        // The same question may get the same answer again.
        if record.isStarted, record.attemptLast == key.attempt {
            if !record.goes.contains(key) { record.goes.append(key) }
            return
        }
        if key.attempt <= record.attemptLast { fail("attempts rise", "GO \(key) after \(record.attemptLast)") }
        record.attemptLast = key.attempt
        if !record.isStarted {
            record.isStarted = true
            record.paid.append(key.delivery)
            if record.paid.count > record.paidMax {
                fail("paid deliveries are bounded", "GO \(key) makes \(record.paid.count), \(record.header.onLoss)")
            }
        }
        record.goes.append(key)
        if record.goes.count > 40 { fail("attempts are bounded", "\(key) is the \(record.goes.count). GO") }
        expected.goes += 1
    }

    private func checkIsStart(_ key: DeliveryKey, of seat: Seat, _ session: SessionToken) {
        startAnswers += 1
        if isReleasing { return checkReleasedStart(key, of: seat, session) }
        guard case .worker(seat.connection, .start(key), _) = event else {
            return fail("GO answers START", "GO or NOGO \(key) to \(seat.connection), which did not ask")
        }
        if session != seat.session { fail("sessions are kept", "GO or NOGO \(key) with another session") }
    }

    private func checkAcknowledge(_ key: DeliveryKey, to seat: Seat) {
        acknowledged += 1
        if let record = record(key.job), record.endTicket > committed, !record.isGone {
            fail("nothing is told before its commit", "ACK \(key) before write \(record.endTicket)")
        }
        if isReleasing { return releaseAcknowledgement(key, to: seat) }
        guard case .worker(seat.connection, let message, _) = event, message == .reply(key) || message == .failure(key)
        else { return fail("ACK answers a terminal", "ACK \(key) to \(seat.connection)") }
        if let record = record(key.job), record.isOpen, key.delivery == record.deliveries,
            record.holder == seat.connection
        {
            fail("ACK follows the terminal", "ACK \(key), and \(key.job) has no terminal")
        }
    }

    private func checkWelcome(_ welcome: WorkerWelcome, to seat: Seat) {
        guard case .worker(seat.connection, .ready(let ready), _) = event else {
            return fail("WELCOME answers READY", "WELCOME to \(seat.connection)")
        }
        if welcome.keep.count + welcome.drop.count != ready.held.count {
            fail("WELCOME answers for each", "\(welcome.keep) and \(welcome.drop) of \(ready.held.map(\.key))")
        }
        seat.session = welcome.session
        seat.name = ready.name
        seat.capacity = ready.capacity
        seat.granted = 0
        seat.sent = 0
        seat.held = []
        seat.readyAt = now
        seat.isQuiet = false
        seat.isFull = false
        seat.isDismissed = false
        seat.leaseUntil = now.advanced(by: configuration.lease)
        // A new connection ends the sessions of the broken ones.
        for case let former? in seats
        where former !== seat && former.session != nil && former.name == seat.name && former.isDisconnected
            && !former.isGone
        { dismiss(former) }
        for key in welcome.drop { checkDrop(key, ready) }
        for key in welcome.keep {
            guard let held = ready.held.first(where: { $0.key == key }) else {
                return fail("WELCOME answers for each", "keep \(key), which is not held")
            }
            if let record = record(key.job), !record.isOpen, held.state == .finished, record.endTicket > committed {
                // The result is the worker's to keep until the terminal is on disk.
                continue
            }
            guard let record = record(key.job), record.isOpen else {
                return fail("nothing ended is kept", "keep \(key) by \(seat.connection)")
            }
            if case .orphaned = record.state, record.deliveries == key.delivery {
                seat.held.append(key.wholeDelivery)
                record.state = .leased(seat.connection)
            } else if let holder = record.holder, record.deliveries == key.delivery,
                holder == seat.connection || self.seat(holder).isDisconnected || self.seat(holder).name == seat.name
            {
                self.seat(holder).release(key)
                seat.held.append(key.wholeDelivery)
                record.state = .leased(seat.connection)
            } else if held.state != .finished {
                fail(
                    "one worker has a request",
                    "keep \(key) by \(seat.connection), delivery \(record.deliveries) is current"
                )
            }
        }
    }

    /// A result is its worker's to keep while the request has no terminal on disk.
    private func checkDrop(_ key: DeliveryKey, _ ready: WorkerReady) {
        guard let held = ready.held.first(where: { $0.key == key }), held.state == .finished,
            let record = record(key.job), !record.isGone, !record.isForgotten, record.paid.contains(key.delivery),
            record.isOpen || record.endTicket > committed
        else { return }
        fail("results are kept", "drop \(key) of \(ready.name), and no terminal is on disk")
    }

    // MARK: - Loss

    func checkDrain(_ seat: Seat) {
        if !seat.isDisconnected || !seat.isGone || seat.session == nil {
            fail("death is not a disconnect", "drain of \(seat.connection), which is not dead")
        }
        seat.isDrainAsked = true
    }

    /// Silence, or a message from before a session: the worker has to come anew.
    private func checkRejoin(_ seat: Seat, _ effects: [DispatchEffect]) {
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

    private func dismiss(_ seat: Seat) {
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
