import BusProtocol
import CoreTypes
import ZeroMQ

/// When what is sent, and sent again on silence.
extension RequestExchange {
    /// Sends `REQUEST` with what is left of the deadline.
    mutating func offer(_ now: Moment) -> [Effect] {
        let left = now.duration(to: expiry)
        guard left > .zero else { return expired() }
        phase = .offering(isSent: true)
        offeredAt = now
        offers += 1
        offersSent += 1
        let interval = min(Self.offerIntervalMax, Self.offerInterval * (1 << min(offers - 1, 10)))
        due = min(expiry, now.advanced(by: interval))
        return [.offer(deadline: max(left, Limits.deadline.lowerBound))]
    }

    mutating func blocked(_ now: Moment) -> [Effect] {
        if case .offering(isSent: true) = phase {
            phase = .offering(isSent: false)
            offersSent -= 1
        }
        // The first look is at once, because nobody should wait long to hear of a wrong directory.
        due = wasBlocked ? now.advanced(by: Self.blockedInterval) : now
        wasBlocked = true
        return []
    }

    mutating func connected(_ now: Moment) -> [Effect] {
        wasBlocked = false
        switch phase {
        case .offering(let isSent):
            // The news of a connection may come after what was sent on it; not more than once a second either way.
            let next = offeredAt.advanced(by: Self.offerPause)
            guard isSent, now < next else { return offer(now) }
            due = min(due, next)
            return []
        case .following: return get(now)
        case .cancelling(let sent): return cancelAgain(sent, now)
        case .pausing, .over: return []
        }
    }

    mutating func get(_ now: Moment) -> [Effect] {
        due = now.advanced(by: Self.getInterval)
        if case .following(let until) = phase { due = min(due, until) }
        return [.get]
    }

    mutating func timer(_ reachability: Reachability, _ now: Moment) -> [Effect] {
        guard now >= due else { return [] }
        switch phase {
        case .offering(let isSent):
            if let error = watch.note(reachability, now: now) { return fail(error) }
            guard now < expiry else { return expired() }
            // Unsent, it goes when the connection stands; a try now does no harm.
            if !isSent { offers = max(0, offers - 1) }
            return offer(now)
        case .pausing:
            return offer(now)
        case .following(let until):
            if let error = watch.note(reachability, now: now) { return fail(error) }
            guard now < until else {
                let overdue =
                    origin == .own
                    ? "the broker accepted the request, but sent no terminal within its deadline"
                    : "the request had no terminal within \(header.deadline)"
                return fail(ClientError(.noAnswer, overdue))
            }
            return get(now)
        case .cancelling(let sent):
            return cancelAgain(sent, now)
        case .over:
            return []
        }
    }
}
