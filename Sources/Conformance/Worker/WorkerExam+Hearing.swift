import BusProtocol

// What the worker says.
extension WorkerExam {
    func take(_ heard: Heard) throws -> Bool {
        if heard.verb == "READY" {
            route = heard.route
            return false
        }
        guard heard.route == route else {
            if heard.verb == "BEAT" || heard.verb == "EVENT" { return true }
            throw CaseEnd.failed("expected: READY first on a connection; found \(text(heard))")
        }
        switch heard.verb {
        case "BEAT":
            beats.append(heard.time)
            return true
        case "EVENT":
            events.append((heard.idText, heard.headerBytes))
            return true
        case "CREDIT":
            try takeCredit(heard)
            return true
        case "RETURN":
            if let key = heard.key?.wholeDelivery { held.remove(key) }
            return false
        default:
            return false
        }
    }

    private func takeCredit(_ heard: Heard) throws {
        let total = heard.int("granted_total") ?? -1
        creditCount += 1
        try check(total >= granted, "granted_total of at least \(granted), as before; found \(text(heard))")
        try check(
            total <= sent + capacity - held.count,
            "granted_total of at most \(sent + capacity - held.count): \(sent) JOBs sent, capacity \(capacity) less "
                + "\(held.count) held; found \(text(heard))"
        )
        granted = total
    }

    /// The next message, which must not be a `READY` unless that is asked for.
    func hear(_ what: String, within time: Duration? = nil) throws -> Heard {
        guard let broker else { throw CaseEnd.failed("the broker has no socket") }
        return try next(broker, what, within: time)
    }

    /// The next message, which must have this verb and be about this delivery.
    @discardableResult
    func hear(_ verb: String, _ key: DeliveryKey, within time: Duration? = nil) throws -> Heard {
        let heard = try hear("\(verb) \(key)", within: time)
        let isAbout = key.attempt == 0 ? heard.key?.wholeDelivery == key : heard.key == key
        try check(heard.verb == verb && isAbout, "\(verb) \(key); found \(text(heard))")
        return heard
    }

    /// Waits until the provider has seen so many calls.
    func expectCalls(_ count: Int) throws {
        try wait("\(count) calls at the provider") { calls >= count ? true : nil }
        try check(calls == count, "\(count) calls at the provider; found \(calls)")
    }

    /// Checks that the provider sees no more calls than so many for a while.
    func expectNoCall(beyond count: Int, for time: Duration = .milliseconds(500)) throws {
        try pause(time)
        try check(
            calls == count,
            "\(count) calls at the provider, \(count == 0 ? "for no GO was given" : "one for each GO"); found \(calls)"
        )
    }

    /// Checks that the worker says nothing but beats, events and credit.
    func expectSilence(_ why: String, for time: Duration = .milliseconds(500)) throws {
        guard let broker else { return }
        try expectNothing(broker, why, for: time)
    }
}
