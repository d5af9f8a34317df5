import BusProtocol
import CoreTypes
import Dispatch

/// What workers may be given, and when they may begin.
extension Referee {
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

    func checkGo(_ key: DeliveryKey, _ session: SessionToken, to seat: Seat) {
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

    func checkIsStart(_ key: DeliveryKey, of seat: Seat, _ session: SessionToken) {
        startAnswers += 1
        if isReleasing { return checkReleasedStart(key, of: seat, session) }
        guard case .worker(seat.connection, .start(key), _) = event else {
            return fail("GO answers START", "GO or NOGO \(key) to \(seat.connection), which did not ask")
        }
        if session != seat.session { fail("sessions are kept", "GO or NOGO \(key) with another session") }
    }

    func checkAcknowledge(_ key: DeliveryKey, to seat: Seat) {
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
}
