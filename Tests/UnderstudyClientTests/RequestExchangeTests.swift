import BusProtocol
import CoreTypes
import Testing
import ZeroMQ

@testable import UnderstudyClient

struct RequestExchangeTests {
    typealias Effect = RequestExchange.Effect

    private func seconds(_ seconds: Double) -> Moment { Moment(nanoseconds: Int64(seconds * 1e9)) }

    private func exchange(
        deadline: Duration = .seconds(60),
        onLoss: RequestHeader.LossPolicy = .retry,
        patience: Duration = .seconds(15),
        origin: RequestExchange.Origin = .own,
        acknowledges: Bool = true
    ) -> RequestExchange {
        RequestExchange(
            header: RequestHeader(deadline: deadline, onLoss: onLoss),
            origin: origin,
            acknowledges: acknowledges,
            watch: ReachabilityWatch(patience: patience, path: "/run/agents.sock"),
            now: .zero
        )
    }

    private func begun(deadline: Duration = .seconds(60), onLoss: RequestHeader.LossPolicy = .retry) -> RequestExchange
    {
        var exchange = exchange(deadline: deadline, onLoss: onLoss)
        #expect(exchange.begin(now: .zero) == [.offer(deadline: deadline)])
        return exchange
    }

    private func code(_ effects: [Effect]) -> ClientError.Code? {
        for case .end(.failed(let error)) in effects { return error.code }
        return nil
    }

    private func wasNeverSent(_ effects: [Effect]) -> Bool? {
        for case .end(.failed(let error)) in effects { return error.wasNeverSent }
        return nil
    }

    @Test func `a terminal is acknowledged, told and forgotten`() {
        var exchange = begun()
        #expect(exchange.handle(.accepted, now: seconds(0.1)).isEmpty)
        #expect(exchange.handle(.terminal, now: seconds(1)) == [.acknowledge, .end(.terminal), .forget])
    }

    @Test func `a terminal may come before ACCEPTED was seen`() {
        var exchange = begun()
        #expect(exchange.handle(.terminal, now: seconds(1)) == [.acknowledge, .end(.terminal), .forget])
    }

    @Test func `a terminal that the caller acknowledges is only told`() {
        var exchange = exchange(acknowledges: false)
        _ = exchange.begin(now: .zero)
        #expect(exchange.handle(.terminal, now: seconds(1)) == [.end(.terminal), .forget])
    }

    @Test func `what nobody waits for is acknowledged in any case`() {
        var exchange = exchange(acknowledges: false)
        _ = exchange.begin(now: .zero)
        _ = exchange.handle(.cancel, now: seconds(1))
        #expect(exchange.handle(.terminal, now: seconds(2)) == [.acknowledge, .forget])
    }

    @Test func `a request of another is asked for and never sent`() {
        var exchange = exchange(origin: .attached(cancels: false))
        #expect(exchange.begin(now: .zero) == [.get])
        #expect(exchange.handle(.state, now: seconds(1)).isEmpty)
        #expect(exchange.handle(.connected, now: seconds(2)) == [.get])
        #expect(exchange.handle(.due(.listening), now: seconds(17)) == [.get])
        #expect(exchange.handle(.terminal, now: seconds(18)) == [.acknowledge, .end(.terminal), .forget])
    }

    @Test func `a request of another that nobody knows ends the waiting`() {
        var exchange = exchange(origin: .attached(cancels: true))
        _ = exchange.begin(now: .zero)
        let effects = exchange.handle(.error(BusError(.unknownRequest, "never heard of it")), now: seconds(1))
        #expect(code(effects) == .unknown)
        #expect(effects.last == .forget)
    }

    @Test func `a request of another is waited for as long as was said`() {
        var exchange = exchange(deadline: .seconds(20), origin: .attached(cancels: false))
        _ = exchange.begin(now: .zero)
        #expect(exchange.handle(.due(.listening), now: seconds(15)) == [.get])
        #expect(exchange.due == seconds(20))
        #expect(code(exchange.handle(.due(.listening), now: seconds(20))) == .noAnswer)
    }

    @Test(arguments: [false, true]) func `leaving a request of another cancels it only on demand`(cancels: Bool) {
        var exchange = exchange(origin: .attached(cancels: cancels))
        _ = exchange.begin(now: .zero)
        let effects = exchange.handle(.cancel, now: seconds(1))
        #expect(code(effects) == .cancelled)
        #expect(effects.last == (cancels ? .cancel : .forget))
    }

    @Test func `too many who wait are waited for as the broker says`() {
        var exchange = begun()
        _ = exchange.handle(.accepted, now: seconds(1))
        let busy = BusError(.busy, "too many wait", retryAfter: .seconds(1))
        #expect(exchange.handle(.error(busy), now: seconds(2)).isEmpty)
        #expect(exchange.due == seconds(3))
        #expect(exchange.handle(.due(.listening), now: seconds(3)) == [.get])
    }

    @Test func `silence before ACCEPTED sends the request again with what is left of the deadline`() {
        var exchange = begun()
        #expect(exchange.due == seconds(2))
        #expect(exchange.handle(.due(.listening), now: seconds(2)) == [.offer(deadline: .seconds(58))])
        #expect(exchange.due == seconds(6))
        #expect(exchange.handle(.due(.listening), now: seconds(6)) == [.offer(deadline: .seconds(54))])
        #expect(exchange.due == seconds(14))
    }

    @Test func `a timer that fires early does nothing`() {
        var exchange = begun()
        #expect(exchange.handle(.due(.missing), now: seconds(1.9)).isEmpty)
    }

    @Test func `silence after ACCEPTED asks by id and never sends the body again`() {
        var exchange = begun()
        _ = exchange.handle(.accepted, now: seconds(1))
        #expect(exchange.due == seconds(16))
        #expect(exchange.handle(.due(.listening), now: seconds(16)) == [.get])
        #expect(exchange.handle(.state, now: seconds(17)).isEmpty)
        #expect(exchange.due == seconds(32))
    }

    @Test func `a new connection repeats what may be lost`() {
        var exchange = begun()
        #expect(exchange.handle(.connected, now: seconds(1)) == [.offer(deadline: .seconds(59))])
        _ = exchange.handle(.accepted, now: seconds(1))
        #expect(exchange.handle(.connected, now: seconds(3)) == [.get])
        #expect(exchange.handle(.cancel, now: seconds(4)).last == .cancel)
        #expect(exchange.handle(.connected, now: seconds(5)) == [.cancel])
    }

    @Test func `late news of a connection does not repeat what was just sent on it`() {
        var exchange = begun()
        let late = Moment.zero.advanced(by: .milliseconds(200))
        #expect(exchange.handle(.connected, now: late).isEmpty)
        #expect(exchange.due == seconds(1))
        #expect(exchange.handle(.due(.listening), now: seconds(1)) == [.offer(deadline: .seconds(59))])
    }

    @Test func `a rejection is waited for as it says and then offered again`() {
        var exchange = begun()
        let busy = BusError(.busy, "full", retryAfter: .seconds(3))
        #expect(exchange.handle(.rejected(busy), now: seconds(1)).isEmpty)
        #expect(exchange.due == seconds(4))
        #expect(exchange.handle(.connected, now: seconds(2)).isEmpty)
        #expect(exchange.handle(.due(.listening), now: seconds(4)) == [.offer(deadline: .seconds(56))])
    }

    @Test func `rejections without a hint are waited for ever longer`() {
        var exchange = begun()
        var now = Moment.zero
        var waits: [Duration] = []
        for _ in 0..<6 {
            _ = exchange.handle(.rejected(BusError(.busy, "full")), now: now)
            waits.append(now.duration(to: exchange.due))
            now = exchange.due
            _ = exchange.handle(.due(.listening), now: now)
        }
        #expect(waits == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(8)])
    }

    @Test func `a rejection that cannot be waited for within the deadline ends it`() {
        var exchange = begun(deadline: .seconds(5))
        let busy = BusError(.busy, "full", retryAfter: .seconds(5))
        let effects = exchange.handle(.rejected(busy), now: seconds(0.1))
        #expect(effects == [.end(.failed(ClientError(.rejected, busy))), .forget])
    }

    @Test(arguments: [
        (BusError(.malformed, "no"), ClientError.Code.refused), (BusError(.idConflict, "other body"), .refused),
        (BusError(.gone, "over"), .gone), (BusError(.notImplemented, "no disk"), .refused),
    ])
    func `what the broker refuses is not tried again`(error: BusError, expected: ClientError.Code) {
        var exchange = begun()
        let effects = exchange.handle(.error(error), now: seconds(1))
        #expect(code(effects) == expected)
        #expect(effects.last == .forget)
    }

    @Test func `a broker that forgot the request gets it again`() {
        var exchange = begun()
        _ = exchange.handle(.accepted, now: seconds(1))
        let unknown = BusError(.unknownRequest, "never heard of it")
        #expect(exchange.handle(.error(unknown), now: seconds(10)) == [.offer(deadline: .seconds(50))])
        #expect(exchange.handle(.accepted, now: seconds(11)).isEmpty)
        #expect(exchange.handle(.terminal, now: seconds(12)).first == .acknowledge)
    }

    @Test func `a request that must not run twice is lost with its broker`() {
        var exchange = begun(onLoss: .fail)
        _ = exchange.handle(.accepted, now: seconds(1))
        let effects = exchange.handle(.error(BusError(.unknownRequest, "never heard of it")), now: seconds(10))
        #expect(code(effects) == .lost)
    }

    @Test func `without a connection the socket is looked at at once and then now and then`() {
        var exchange = begun()
        #expect(exchange.handle(.blocked, now: .zero).isEmpty)
        #expect(exchange.due == .zero)
        #expect(exchange.handle(.due(.missing), now: .zero) == [.offer(deadline: .seconds(60))])
        _ = exchange.handle(.blocked, now: .zero)
        #expect(exchange.due == seconds(0.25))
    }

    @Test func `an absent broker is waited for as long as patience lasts`() {
        var exchange = begun()
        var now = Moment.zero
        var effects: [Effect] = []
        while code(effects) == nil, now < seconds(60) {
            _ = exchange.handle(.blocked, now: now)
            now = exchange.due
            effects = exchange.handle(.due(.nobodyListens), now: now)
        }
        #expect(code(effects) == .noBroker)
        #expect(now >= seconds(15) && now < seconds(16))
        #expect(wasNeverSent(effects) == true)
    }

    @Test func `what was sent once may have run`() {
        var exchange = begun()
        var now = seconds(1)
        var effects = exchange.handle(.connected, now: now)
        #expect(effects == [.offer(deadline: .seconds(59))])
        while code(effects) == nil, now < seconds(60) {
            _ = exchange.handle(.blocked, now: now)
            now = exchange.due
            effects = exchange.handle(.due(.nobodyListens), now: now)
        }
        #expect(code(effects) == .noBroker)
        #expect(wasNeverSent(effects) == false)
    }

    @Test func `a broker that comes back in time is served`() {
        var exchange = begun()
        _ = exchange.handle(.blocked, now: .zero)
        _ = exchange.handle(.due(.missing), now: .zero)
        _ = exchange.handle(.blocked, now: .zero)
        #expect(exchange.handle(.connected, now: seconds(10)) == [.offer(deadline: .seconds(50))])
        _ = exchange.handle(.accepted, now: seconds(10))
        #expect(exchange.handle(.due(.missing), now: seconds(25)) == [.get])
    }

    @Test(arguments: [(Reachability.noPermission, ClientError.Code.noPermission), (.notASocket, .badPath)])
    func `what waiting does not mend ends it at once`(found: Reachability, expected: ClientError.Code) {
        var exchange = begun()
        _ = exchange.handle(.blocked, now: .zero)
        #expect(code(exchange.handle(.due(found), now: .zero)) == expected)
    }

    @Test func `a silent broker ends it at the deadline`() {
        var exchange = begun(deadline: .seconds(5))
        var effects: [Effect] = []
        var now = Moment.zero
        while code(effects) == nil, now < seconds(60) {
            now = exchange.due
            effects = exchange.handle(.due(.listening), now: now)
        }
        #expect(code(effects) == .noAnswer)
        #expect(now == seconds(5))
    }

    @Test func `the terminal of an accepted request is awaited beyond the deadline but not for ever`() {
        var exchange = begun(deadline: .seconds(5))
        _ = exchange.handle(.accepted, now: seconds(1))
        var effects: [Effect] = []
        var now = seconds(1)
        while code(effects) == nil, now < seconds(200) {
            now = exchange.due
            effects = exchange.handle(.due(.listening), now: now)
        }
        #expect(code(effects) == .noAnswer)
        #expect(now >= seconds(15))
    }

    @Test func `cancelling tells the caller at once and acknowledges what comes later`() {
        var exchange = begun()
        _ = exchange.handle(.accepted, now: seconds(1))
        let effects = exchange.handle(.cancel, now: seconds(2))
        #expect(code(effects) == .cancelled)
        #expect(effects.last == .cancel)
        #expect(exchange.handle(.cancel, now: seconds(2)).isEmpty)
        #expect(exchange.handle(.terminal, now: seconds(3)) == [.acknowledge, .forget])
    }

    @Test func `cancelling is repeated a few times and given up`() {
        var exchange = begun()
        _ = exchange.handle(.cancel, now: .zero)
        #expect(exchange.handle(.due(.listening), now: seconds(2)) == [.cancel])
        #expect(exchange.handle(.due(.listening), now: seconds(4)) == [.cancel])
        #expect(exchange.handle(.due(.listening), now: seconds(6)) == [.forget])
    }

    @Test func `what was never sent needs no CANCEL`() {
        var exchange = begun()
        _ = exchange.handle(.blocked, now: .zero)
        let effects = exchange.handle(.cancel, now: seconds(1))
        #expect(code(effects) == .cancelled)
        #expect(effects.last == .forget)
    }

    @Test func `every course of events tells the caller once at most and ends with forget`() {
        let errors: [BusError] = [
            BusError(.busy, "full"), BusError(.gone, "over"), BusError(.unknownRequest, "what"),
            BusError(.stopping, "bye", retryAfter: .seconds(1)),
        ]
        for seed in 0..<2000 {
            var random = SeededGenerator(seed: UInt64(seed))
            var exchange = exchange()
            var now = Moment.zero
            var ends = 0
            var isOver = false
            var effects = exchange.begin(now: now)
            for _ in 0..<400 {
                for effect in effects {
                    #expect(!isOver, "seed \(seed)")
                    if case .end = effect { ends += 1 }
                    if effect == .forget { isOver = true }
                }
                if isOver { break }
                let input: RequestExchange.Input
                switch Int.random(in: 0..<24, using: &random) {
                case 0: input = .blocked
                case 1: input = .connected
                case 2: input = .accepted
                case 3: input = .rejected(errors[Int.random(in: 0..<errors.count, using: &random)])
                case 4: input = .error(errors[Int.random(in: 0..<errors.count, using: &random)])
                case 5: input = .state
                case 6: input = .terminal
                case 7: input = .cancel
                default:
                    now = max(now, exchange.due)
                    input = .due(Bool.random(using: &random) ? .listening : .missing)
                }
                effects = exchange.handle(input, now: now)
            }
            #expect(isOver, "seed \(seed) does not end")
            #expect(ends == 1, "seed \(seed)")
        }
    }
}
