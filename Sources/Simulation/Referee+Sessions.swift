import BusProtocol
import CoreTypes
import Dispatch

/// What workers keep from one session to the next.
extension Referee {
    func checkWelcome(_ welcome: WorkerWelcome, to seat: Seat) {
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
}
