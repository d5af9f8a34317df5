import BusProtocol
import CoreTypes

/// What follows from an answer of the broker.
extension RequestExchange {
    mutating func accepted(_ now: Moment) {
        switch phase {
        case .offering, .pausing:
            phase = .following(until: max(now, expiry).advanced(by: Self.grace))
            due = now.advanced(by: Self.getInterval)
        case .following, .cancelling, .over:
            break
        }
    }

    mutating func refused(_ error: BusError, _ now: Moment) -> [Effect] {
        switch phase {
        case .offering, .pausing:
            guard error.code.retry == .sameID else {
                return fail(ClientError(error.code == .gone ? .gone : .refused, error))
            }
            return pause(error, now)
        case .following:
            switch (error.code, error.code.retry) {
            case (.unknownRequest, _) where origin != .own:
                return fail(ClientError(error))
            case (.unknownRequest, _):
                // A broker that was started again. It may have been paid for; `on_loss` says whether that matters.
                guard header.onLoss == .retry else { return fail(ClientError(.lost, error)) }
                offers = 0
                return offer(now)
            case (.gone, _): return fail(ClientError(.gone, error))
            case (_, .sameID):
                // Too many wait for it already.
                if let wait = error.retryAfter { due = now.advanced(by: max(wait, .milliseconds(1))) }
                return []
            default: return fail(ClientError(.refused, error))
            }
        case .cancelling:
            phase = .over
            return [.forget]
        case .over:
            return []
        }
    }

    private mutating func pause(_ error: BusError, _ now: Moment) -> [Effect] {
        rejection = error
        phase = .pausing
        let own = min(Self.pauseMax, Self.pauseBase * (1 << min(pauses, 10)))
        pauses += 1
        due = now.advanced(by: max(error.retryAfter ?? own, .milliseconds(1)))
        return due < expiry ? [] : fail(ClientError(.rejected, error))
    }
}
