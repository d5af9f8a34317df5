import CoreTypes

/// How an exchange ends without a terminal.
extension RequestExchange {
    mutating func expired() -> [Effect] {
        if let rejection { return fail(ClientError(.rejected, rejection)) }
        return fail(ClientError(.noAnswer, "the broker did not answer within the request's deadline"))
    }

    mutating func fail(_ error: ClientError) -> [Effect] {
        phase = .over
        var error = error
        error.wasNeverSent = origin == .own && offersSent == 0
        return [.end(.failed(error)), .forget]
    }

    // MARK: Cancelling

    mutating func cancelled(_ now: Moment) -> [Effect] {
        guard isAwaited else { return [] }
        let ending = Effect.end(.failed(ClientError(.cancelled, "the task that waited was cancelled")))
        let isKnown =
            switch phase {
            case .offering(let isSent): isSent || offers > 1
            case .following: origin != .attached(cancels: false)
            case .pausing, .cancelling, .over: false
            }
        guard isKnown else {
            phase = .over
            return [ending, .forget]
        }
        return [ending] + cancelAgain(0, now)
    }

    mutating func cancelAgain(_ sent: Int, _ now: Moment) -> [Effect] {
        guard sent < Self.cancelCountMax else {
            phase = .over
            return [.forget]
        }
        phase = .cancelling(sent: sent + 1)
        due = now.advanced(by: Self.cancelInterval)
        return [.cancel]
    }
}
