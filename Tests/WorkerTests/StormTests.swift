import BusProtocol
import CoreTypes
import Resilience
import Testing

@testable import Worker

/// Any order of events, sensible or not: what must hold all the same.
struct StormTests {
    /// What the broker and the providers know, to check the worker against.
    private struct Ledger {
        var granted: UInt64 = 0
        var jobs: UInt64 = 0
        var goes: Set<DeliveryKey> = []
        var called: Set<DeliveryKey> = []
        var open: [DeliveryKey: UInt32] = [:]
        var wakes: [DeliveryKey: Moment] = [:]
        var terminals: [DeliveryKey: OutgoingMessage] = [:]
        var hasLeft = false

        mutating func newSession() {
            granted = 0
            jobs = 0
        }

        mutating func note(_ effects: [WorkerEffect], _ session: WorkerSession) {
            for effect in effects {
                #expect(!hasLeft, "nothing follows the end")
                switch effect {
                case .call(let key, let plan):
                    let attempt = DeliveryKey(job: key.job, delivery: key.delivery, attempt: plan.attempt)
                    #expect(goes.contains(attempt), "a call without a GO: \(attempt)")
                    #expect(called.insert(attempt).inserted, "a second call for one GO: \(attempt)")
                    #expect(open.updateValue(plan.attempt, forKey: key) == nil, "two calls of one delivery: \(key)")
                case .abort(let key):
                    open[key] = nil
                case .wake(let key, let moment):
                    wakes[key] = moment
                case .send(let message):
                    guard message.verb == .reply || message.verb == .failure else { continue }
                    let key = DeliveryKey(message)
                    if let first = terminals[key] { #expect(first == message, "two terminals of \(key)") }
                    terminals[key] = message
                case .left:
                    hasLeft = true
                case .beat, .joined, .note:
                    break
                }
            }
            #expect(session.deliveries.count <= session.capacity)
            for (key, delivery) in session.deliveries {
                #expect((delivery.engine == nil) != (delivery.terminal == nil), "\(key) is neither live nor finished")
                #expect(delivery.engine?.nextTimer == wakes[key], "the timer of \(key)")
            }
            for key in wakes.keys {
                #expect(session.deliveries[key]?.engine != nil, "a timer without a delivery: \(key)")
            }
            for (key, attempt) in open {
                #expect(session.isCalling(key, attempt: attempt), "a call nobody waits for: \(key)")
            }
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func rulesHoldInAnyOrderOfEvents(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var fixture = try SessionFixture(capacity: Int.random(in: 1...6, using: &random))
        var ledger = Ledger()
        var next: UInt64 = 0
        for _ in 0..<600 where !ledger.hasLeft {
            let known = fixture.session.deliveries.keys.sorted { $0.job < $1.job }
            let number = known.randomElement(using: &random)?.job.value ?? 1
            let key = SessionFixture.key(number)
            let attempt = fixture.session.deliveries[key]?.engine?.currentPlan?.attempt ?? 1
            var effects: [WorkerEffect] = []
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<4:
                effects = fixture.apply { $0.disconnected($1, into: &$2) }
            case 4..<16:
                fixture.session.connected()
                guard fixture.session.needsReady else { break }
                let ready = try WorkerMessage.decode(fixture.session.ready(now: fixture.time.now).frameList())
                ledger.newSession()
                guard case .ready(let said) = ready else { break }
                #expect(Set(said.held.map(\.key.wholeDelivery)) == Set(known))
                let keep = said.held.map(\.key).filter { _ in Bool.random(using: &random) }
                effects = fixture.welcome("s\(next)", keep: keep)
            case 16..<36 where fixture.session.isOpen && ledger.jobs < ledger.granted:
                next += 1
                ledger.jobs += 1
                let bodies = [
                    #"{"model":"mock/a","fallback_models":["mock/b"],"messages":[{"role":"user","content":"x"}]}"#,
                    "{}",
                ]
                effects = try fixture.job(
                    next,
                    bodies[Int.random(in: 0..<8, using: &random) / 7],
                    remaining: .milliseconds(Int.random(in: 0...20_000, using: &random))
                )
            case 36..<52:
                if fixture.session.isOpen { ledger.goes.insert(SessionFixture.key(number, attempt: attempt)) }
                effects = fixture.go(number, attempt: attempt)
            case 52..<55:
                let reason = NoGoReason.allCases.randomElement(using: &random) ?? .wait
                effects = fixture.tell(
                    .noGo(
                        SessionFixture.key(number, attempt: attempt),
                        session: fixture.token,
                        reason: reason,
                        wait: nil
                    )
                )
            case 55..<68:
                if let (key, attempt) = ledger.open.min(by: { $0.key.job < $1.key.job }) {
                    ledger.open[key] = nil
                    effects =
                        Bool.random(using: &random)
                        ? fixture.answer(key.job.value, attempt: attempt)
                        : fixture.fail(key.job.value, attempt: attempt, AttemptFailure(.serverError, message: "x"))
                }
            case 68..<70:
                effects = fixture.tell(.cancel(key, session: fixture.token))
            case 70..<80:
                effects = fixture.tell(.acknowledge(key))
            case 80..<82:
                effects = fixture.tell(.beat(BeatOrder.allCases.randomElement(using: &random) ?? .run))
            case 82..<84:
                effects = fixture.tell(.error(id: key.bytes, BusError(.unexpected, "x")))
            case 84 where next > 20 && Bool.random(using: &random):
                effects = fixture.apply { $0.drain(until: $1.now.advanced(by: .seconds(20)), into: &$2) }
            default:
                fixture.pass(.milliseconds(Int.random(in: 1...2000, using: &random)))
                effects = fixture.apply { $0.tick($1, into: &$2) }
                ledger.note(effects, fixture.session)
                for (key, moment) in ledger.wakes.sorted(by: { $0.value < $1.value }) where moment <= fixture.time.now {
                    ledger.wakes[key] = nil
                    ledger.note(fixture.apply { $0.woken(key, $1, into: &$2) }, fixture.session)
                }
                effects = []
            }
            ledger.note(effects, fixture.session)
            if let credit = fixture.session.takeCredit(),
                case .credit(let total) = try WorkerMessage.decode(credit.frameList())
            {
                #expect(total > ledger.granted)
                ledger.granted = total
            }
            let room = UInt64(max(0, fixture.session.capacity - fixture.session.deliveries.count))
            #expect(ledger.granted <= ledger.jobs + room, "more credit than room")
        }
        #expect(!ledger.called.isEmpty && !ledger.terminals.isEmpty, "the storm was a calm")
    }
}

extension DeliveryKey {
    /// The key of a message.
    fileprivate init(_ message: OutgoingMessage) {
        guard let key = unsafe message.id.withUnsafeBytes({ unsafe DeliveryKey(bytes: $0) }) else {
            preconditionFailure("\(message.verb) without a key")
        }
        self = key
    }
}
