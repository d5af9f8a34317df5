import BusProtocol
import CoreTypes
import Testing

/// Frames of any bytes: a value or a `BusError`, never a trap, and the answer can always be sent.
@Suite struct FuzzTests {
    @Test(.timeLimit(.minutes(10)), arguments: 0..<4)
    func randomFramesAreDecodedOrRefused(part: Int) {
        var random = RandomMessages(seed: UInt64(1000 + part))
        let verbs = Verb.allCases.map(\.bytes)
        for _ in 0..<1000 {
            var frames = (0..<random.number(0...14)).map { _ in random.bytes(0...20) }
            // Frames that mean something, in places where they may or may not belong.
            for _ in 0..<random.number(0...6) where !frames.isEmpty {
                let meaning = random.pick([ProtocolVersion.bytes, [], random.pick(verbs), Array("{}".utf8)])
                frames[random.number(0...frames.count - 1)] = meaning
            }
            decodeEverywhere(FrameList(frames))
        }
    }

    @Test(.timeLimit(.minutes(10)), arguments: 0..<4)
    func mutatedMessagesAreDecodedOrRefused(part: Int) {
        var random = RandomMessages(seed: UInt64(2000 + part))
        for _ in 0..<1000 {
            var list = message(&random)
            for _ in 0..<random.number(1...4) { mutate(&list.frames, &random) }
            decodeEverywhere(list)
        }
    }

    private func message(_ random: inout RandomMessages) -> FrameList {
        switch random.number(0...4) {
        case 0:
            let message = random.agent()
            return message.encoded(body: random.body(message.encoded().verb)).frameList(envelope: random.envelope())
        case 1: return random.answer().encoded().frameList()
        case 2:
            let message = random.worker()
            return message.encoded(body: random.body(message.encoded().verb)).frameList()
        case 3:
            let message = random.broker()
            return message.encoded(body: random.body(message.encoded().verb)).frameList()
        default:
            let json = Bytes(#"{"event":"x","tenant":"uid-1"}"#)
            return TelemetryFrames(.attempt, tenant: .user(1), epoch: 1, sequence: 2, json: json).frameList
        }
    }

    private func mutate(_ frames: inout [[UInt8]], _ random: inout RandomMessages) {
        guard !frames.isEmpty else { return }
        let index = random.number(0...frames.count - 1)
        switch random.number(0...7) {
        case 0: frames.remove(at: index)
        case 1: frames.insert(random.bytes(0...20), at: index)
        case 2: frames.append(frames[index])
        case 3: frames.swapAt(index, random.number(0...frames.count - 1))
        case 4: frames[index] = Array(frames[index].prefix(random.number(0...20)))
        case 5: frames[index] += random.bytes(1...130)
        default:
            guard !frames[index].isEmpty else { return }
            let place = random.number(0...frames[index].count - 1)
            frames[index][place] ^= 1 << UInt8(random.number(0...7))
        }
    }

    private func decodeEverywhere(_ frames: FrameList) {
        check(AgentMessage.receive(frames), frames)
        check(WorkerMessage.receive(frames), frames)
        // A message that is decoded has an encoding that gives the same message.
        if let message = try? AgentInbound.decode(frames), case .answer(let answer) = message {
            #expect((try? AgentReply.decode(answer.encoded().frameList())) == answer)
        }
        if let message = try? BrokerMessage.decode(frames) {
            let again = message.encoded(body: frames.frames.dropFirst(4).map { Bytes($0) })
            #expect((try? BrokerMessage.decode(again.frameList())) == message)
        }
        if let event = try? TelemetryFrames.decode(frames) {
            #expect(event.frameList == frames)
            _ = try? TelemetryFrames.tenant(ofEvent: event.json)
        }
        for frame in frames.frames {
            _ = try? FailureHeader(parsing: Bytes(frame))
            _ = try? ReplyHeader(parsing: Bytes(frame))
        }
    }

    private func check<Message>(_ received: Received<Message>, _ frames: FrameList) {
        switch received {
        case .message(_, let envelope, let body):
            #expect(body == envelope.frameCount + 4..<frames.frames.count)
            #expect(Array(frames.frames.prefix(envelope.frameCount)) == envelope.frames)
        case .refused(let error, let envelope, let id):
            #expect(Array(frames.frames.prefix(envelope.frameCount)) == envelope.frames)
            let answer = AgentReply.error(id: id, error)
            #expect((try? AgentReply.decode(answer.encoded().frameList())) == answer, "\(error)")
        }
    }
}
