import BusProtocol
import CoreTypes
import Testing

/// Random messages come back as they were.
@Suite struct RoundTripTests {
    private static let count = 2000

    @Test func agentMessagesComeBackWithTheirEnvelopeAndBody() {
        var random = RandomMessages(seed: 1)
        for _ in 0..<Self.count {
            let message = random.agent()
            let envelope = random.envelope()
            let sent = message.encoded(body: random.body(message.encoded().verb))
            let frames = sent.frameList(envelope: envelope)
            let start = envelope.frameCount + 4
            #expect(
                AgentMessage.receive(frames)
                    == .message(message, envelope: envelope, body: start..<frames.frames.count)
            )
        }
    }

    @Test func answersToAgentsComeBack() throws {
        var random = RandomMessages(seed: 2)
        for _ in 0..<Self.count {
            let answer = random.answer()
            #expect(try AgentReply.decode(answer.encoded().frameList()) == answer)
            #expect(try AgentInbound.decode(answer.encoded().frameList()) == .answer(answer))
        }
    }

    @Test func terminalsComeBack() throws {
        var random = RandomMessages(seed: 3)
        for _ in 0..<200 {
            let header = Bytes(ReplyHeader(meta: nil).encoded)
            let reply = Terminal(.reply, id: random.id(), header: header, body: random.body(.reply))
            #expect(try AgentInbound.decode(reply.encoded().frameList()) == .terminal(reply))
            let failure = Terminal(.failure, id: random.id(), header: Bytes(random.bytes(0...90)))
            #expect(try AgentInbound.decode(failure.encoded().frameList()) == .terminal(failure))
        }
    }

    @Test func workerMessagesComeBack() {
        var random = RandomMessages(seed: 4)
        for _ in 0..<Self.count {
            let message = random.worker()
            let verb = message.encoded().verb
            let frames = message.encoded(header: random.bytes(0...30), body: random.body(verb)).frameList()
            #expect(
                WorkerMessage.receive(frames)
                    == .message(message, envelope: .none, body: 4..<frames.frames.count)
            )
        }
    }

    @Test func messagesToWorkersComeBack() throws {
        var random = RandomMessages(seed: 5)
        for _ in 0..<Self.count {
            let message = random.broker()
            let frames = message.encoded(body: random.body(message.encoded().verb)).frameList()
            #expect(try BrokerMessage.decode(frames) == message)
        }
    }

    @Test func aReadyWithAsManyDeliveriesAsAWorkerMayHoldComesBack() throws {
        var random = RandomMessages(seed: 6)
        let hash = random.hash()
        let held = (1...Limits.heldCountMax).map { number in
            WorkerReady.Held(
                key: DeliveryKey(job: JobNumber(UInt64(number)), delivery: 1, attempt: 1),
                bodyHash: hash,
                state: .calling
            )
        }
        let ready = WorkerMessage.ready(WorkerReady(name: "w", pid: 1, capacity: 100_000, held: held))
        let isSame = try WorkerMessage.decode(ready.encoded().frameList()) == ready
        #expect(isSame)
    }

    @Test func aPrebuiltGoIsTheEncodedGo() {
        var random = RandomMessages(seed: 7)
        let key = random.key(attempt: true)
        let session = random.session()
        #expect(
            OutgoingMessage(.go, id: key.bytes, header: session.header)
                == BrokerMessage.go(key, session: session).encoded()
        )
    }

    @Test func bodyHashesAndTenantsComeBack() throws {
        var random = RandomMessages(seed: 8)
        for _ in 0..<100 {
            let hash = random.hash()
            #expect(BodyHash(hex: hash.description) == hash)
            let tenant = Tenant.user(UInt32.random(in: 0 ... .max, using: &random.generator))
            #expect(Tenant(tenant.description) == tenant)
        }
        for text in ["", "-", "uid-", "uid--1", "uid-+1", "uid-01", "uid-4294967296", "UID-1", "uid-1."] {
            #expect(Tenant(text) == nil, "\(text)")
        }
    }
}
