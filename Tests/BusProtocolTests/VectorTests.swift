import BusProtocol
import CoreTypes
import JSON
import Testing

/// `protocol/vectors.json` against the codec, both ways.
@Suite struct VectorTests {
    @Test(arguments: Vector.load("vectors"))
    func framesGiveTheMessageAndTheMessageGivesTheFrames(vector: Vector) throws {
        let (shown, encoded) = try decodedAndEncoded(vector)
        let expected = try #require(vector.message)
        #expect(Show.sorted(shown) == Show.sorted(expected))
        if vector.isCanonical { #expect(encoded == vector.frames) }
    }

    @Test(arguments: Vector.load("refused"))
    func refusedFramesGiveTheErrorOfTheVector(vector: Vector) throws {
        let code = try #require(vector.errorCode)
        switch vector.direction {
        case "agent->broker": expectRefusal(AgentMessage.receive(vector.frames), vector, code)
        case "worker->broker": expectRefusal(WorkerMessage.receive(vector.frames), vector, code)
        default:
            let error = #expect(throws: BusError.self) { try decodedAndEncoded(vector) }
            #expect(error?.code.number == code, "\(error?.description ?? "no error")")
        }
    }

    @Test func everyVerbInUseHasAVectorInEachOfItsDirections() throws {
        let vectors = Vector.load("vectors")
        func verbs(_ direction: String) -> Set<String> {
            Set(
                vectors.filter { $0.direction == direction }.compactMap { $0.message?["verb"]?.stringValue }
            )
        }
        #expect(verbs("agent->broker") == Set(AgentMessage.verbs.map(\.rawValue)))
        #expect(verbs("worker->broker") == Set(WorkerMessage.verbs.map(\.rawValue)))
        #expect(verbs("broker->worker") == Set(BrokerMessage.verbs.map(\.rawValue)))
        #expect(verbs("broker->agent") == Set((AgentReply.verbs + [.reply, .failure, .chunk]).map(\.rawValue)))
        #expect(vectors.contains { $0.direction == "telemetry" })
    }

    private func expectRefusal<Message>(_ received: Received<Message>, _ vector: Vector, _ code: Int) {
        guard case .refused(let error, let envelope, let id) = received else {
            Issue.record("decoded: \(received)")
            return
        }
        #expect(error.code.number == code, "\(error)")
        #expect(envelope.frames == vector.answerEnvelope)
        #expect(id == vector.answerID)
        #expect(!error.message.isEmpty)
    }

    private func decodedAndEncoded(_ vector: Vector) throws -> (JSONValue, FrameList) {
        let frames = vector.frames
        switch vector.direction {
        case "agent->broker":
            guard case .message(let message, let envelope, let body) = AgentMessage.receive(frames) else {
                throw NotDecoded(reason: "\(AgentMessage.receive(frames))")
            }
            let encoded = message.encoded(body: frames.frames[body].map { Bytes($0) })
            return (Show.agent(message, envelope, frames, body), encoded.frameList(envelope: envelope))
        case "broker->agent":
            let message = try AgentInbound.decode(frames)
            return (try Show.inbound(message), encoded(message))
        case "worker->broker":
            guard case .message(let message, _, let body) = WorkerMessage.receive(frames) else {
                throw NotDecoded(reason: "\(WorkerMessage.receive(frames))")
            }
            let encoded = message.encoded(header: frames.frames[3], body: frames.frames[body].map { Bytes($0) })
            return (try Show.worker(message, frames, body), encoded.frameList())
        case "broker->worker":
            let message = try BrokerMessage.decode(frames)
            let body = frames.frames.dropFirst(4).map { Bytes($0) }
            return (Show.broker(message, frames), message.encoded(body: body).frameList())
        case "telemetry":
            let event = try TelemetryFrames.decode(frames)
            return (try Show.telemetry(event), event.frameList)
        default:
            throw NotDecoded(reason: "unknown direction \(vector.direction)")
        }
    }

    private func encoded(_ message: AgentInbound) -> FrameList {
        switch message {
        case .answer(let reply): reply.encoded().frameList()
        case .terminal(let terminal): terminal.encoded().frameList()
        case .chunk(let id, let header, let body):
            OutgoingMessage(.chunk, id: id.bytes, header: header.encoded, body: body).frameList()
        }
    }
}

struct NotDecoded: Error {
    var reason: String
}
