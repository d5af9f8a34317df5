import BusProtocol
import CoreTypes
import Glibc

// What the broker says.
extension WorkerExam {
    func say(_ message: OutgoingMessage) throws {
        guard let broker else { return }
        try send(broker, raw: message.frameList().frames, to: route)
    }

    func say(_ verb: String, id: [UInt8] = [], header: String = "", body: [[UInt8]] = []) throws {
        guard let broker else { return }
        try send(broker, verb, id: id, header: header, body: body, to: route)
    }

    /// A chat request for a model of the mock provider, by the name that says how it answers.
    func body(_ model: String, prompt: String = "conformance") -> [UInt8] {
        let text =
            #"{"model":"\#(providerName)/\#(model)","fallback_models":[],"messages":[{"role":"user","content":"\#(prompt)"}]}"#
        return Array(text.utf8)
    }

    /// Delivers a request.
    ///
    /// - Parameter awaitsCredit: False sends it whatever was granted.
    func deliver(
        _ model: String = "ok",
        body: [UInt8]? = nil,
        firstAttempt: UInt32 = 1,
        remaining: Duration = .seconds(600),
        session: SessionToken? = nil,
        lost: [LostDelivery] = [],
        awaitsCredit: Bool = true
    ) throws -> DeliveryKey {
        if awaitsCredit { try wait("credit for a JOB") { granted > sent ? true : nil } }
        jobCount += 1
        let key = DeliveryKey(job: JobNumber(jobCount), delivery: UInt32(lost.count) + 1)
        guard let id = RequestID(newID()) else { preconditionFailure("ids of the tester are valid") }
        let header = JobHeader(
            session: session ?? self.session,
            tenant: .user(getuid()),
            id: id,
            task: "conform-task",
            firstAttempt: firstAttempt,
            remaining: remaining,
            waited: .milliseconds(3),
            lost: lost
        )
        if session == nil {
            sent += 1
            held.insert(key)
        }
        try say(BrokerMessage.job(key, header).encoded(body: [Bytes(body ?? self.body(model))]))
        return key
    }

    /// Takes the `START` of a delivery.
    func hearStart(_ key: DeliveryKey, within time: Duration? = nil) throws -> DeliveryKey {
        let heard = try hear("START", key, within: time)
        return heard.key ?? key
    }

    func go(_ key: DeliveryKey, session: SessionToken? = nil) throws {
        try say(BrokerMessage.go(key, session: session ?? self.session).encoded())
    }

    func noGo(_ key: DeliveryKey, _ reason: NoGoReason, wait: Duration? = nil) throws {
        try say(BrokerMessage.noGo(key, session: session, reason: reason, wait: wait).encoded())
    }

    func acknowledge(_ key: DeliveryKey) throws {
        held.remove(key.wholeDelivery)
        try say(BrokerMessage.acknowledge(key.wholeDelivery).encoded())
    }

    /// Refuses a terminal.
    func refuse(_ heard: Heard) throws {
        if let key = heard.key?.wholeDelivery { held.remove(key) }
        let error = BusError(.unexpected, "the tester takes no terminals")
        try say(BrokerMessage.error(id: heard.id, error).encoded())
    }

    /// A delivery from `JOB` to `ACK`, with one attempt.
    @discardableResult
    func work(_ model: String = "ok") throws -> Heard {
        let key = try deliver(model)
        try go(try hearStart(key))
        let heard = try hear("REPLY", key)
        try acknowledge(key)
        return heard
    }
}
