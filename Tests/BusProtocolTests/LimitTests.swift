import BusProtocol
import CoreTypes
import Testing

/// What is just within a limit passes, what is just beyond is refused before anything is parsed.
@Suite struct LimitTests {
    private func request(id: String = "x", header: [UInt8] = [], body: [[UInt8]] = [[1]]) -> FrameList {
        FrameList([ProtocolVersion.bytes, Verb.request.bytes, Array(id.utf8), header] + body)
    }

    private func code(_ frames: FrameList) -> ErrorCode? {
        do throws(BusError) {
            _ = try AgentMessage.decode(frames)
            return nil
        } catch {
            return error.code
        }
    }

    @Test func anIDOf128BytesPasses() {
        #expect(code(request(id: String(repeating: "a", count: 128))) == nil)
        #expect(code(request(id: String(repeating: "a", count: 129))) == .malformed)
    }

    @Test func aHeaderOf64KiBPasses() {
        let spaces = [UInt8](repeating: 32, count: Limits.headerBytesMax - 2)
        #expect(code(request(header: Array("{}".utf8) + spaces)) == nil)
        #expect(code(request(header: Array("{}".utf8) + spaces + [32])) == .tooLarge)
    }

    @Test func aHeaderBeyondTheLimitIsNotParsed() {
        #expect(code(request(header: [UInt8](repeating: 0, count: Limits.headerBytesMax + 1))) == .tooLarge)
    }

    @Test func sixteenLostDeliveriesPass() {
        func job(_ count: Int) -> ErrorCode? {
            let lost = Array(repeating: #"{"delivery":1,"attempt":0,"held_ms":5}"#, count: count).joined(separator: ",")
            let header = #"{"session":"s","tenant":"uid-1","id":"x","first_attempt":1,"remaining_ms":1,"waited_ms":1"#
            let key = DeliveryKey(job: JobNumber(1), delivery: 1)
            let frames: [[UInt8]] = [
                ProtocolVersion.bytes, Verb.job.bytes, key.bytes, Array((header + #","lost":[\#(lost)]}"#).utf8), [1],
            ]
            do throws(BusError) {
                _ = try BrokerMessage.decode(FrameList(frames))
                return nil
            } catch {
                return error.code
            }
        }
        #expect(job(Limits.lostDeliveriesMax) == nil)
        #expect(job(Limits.lostDeliveriesMax + 1) == .malformed)
    }

    @Test func eightBodyFramesPass() {
        #expect(code(request(body: Array(repeating: [1], count: 8))) == nil)
        #expect(code(request(body: Array(repeating: [1], count: 9))) == .tooLarge)
    }

    @Test func aBodyOf8MiBPasses() {
        let half = [UInt8](repeating: 1, count: Limits.bodyBytesMax / 2)
        #expect(code(request(body: [half, half])) == nil)
        #expect(code(request(body: [half, half, [1]])) == .tooLarge)
    }

    @Test func aFloodOfFramesIsRefusedByItsCountAlone() {
        let received = AgentMessage.receive(Flood())
        guard case .refused(let error, .none, _) = received else {
            Issue.record("\(received)")
            return
        }
        #expect(error.code == .tooLarge)
    }

    @Test func anEnvelopeOf8FramesAnd1024BytesPasses() {
        let ping = FrameList(texts: ["UBP/1", "PING", "", ""])
        func received(_ route: [[UInt8]]) -> Received<AgentMessage> {
            AgentMessage.receive(FrameList(route + [[]] + ping.frames))
        }
        let seven = Array(repeating: [UInt8](repeating: 1, count: 146), count: 6) + [[UInt8](repeating: 1, count: 148)]
        let envelope = Envelope(route: seven)
        #expect(envelope.frameCount == Limits.envelopeFrameCountMax)
        #expect(received(seven) == .message(.ping(token: []), envelope: envelope, body: 12..<12))
        var longer = seven
        longer[0].append(1)
        guard case .refused(let error, .none, _) = received(longer) else {
            Issue.record("an envelope of 1025 bytes passed")
            return
        }
        #expect(error.code == .tooLarge)
    }

    @Test func aREQNumberThatSpellsTheVersionsFirstLettersIsNoVersion() {
        let frames = FrameList([Array("UBP/".utf8), [], ProtocolVersion.bytes, Verb.bye.bytes, [], []])
        let envelope = Envelope(route: [Array("UBP/".utf8)])
        #expect(AgentMessage.receive(frames) == .message(.bye, envelope: envelope, body: 6..<6))
    }

    @Test func errorsNameTheFieldWhatWasFoundAndWhatWasExpected() {
        func message(_ header: String) -> String {
            do throws(BusError) {
                _ = try AgentMessage.decode(request(header: Array(header.utf8)))
                return ""
            } catch {
                return error.message
            }
        }
        #expect(
            message(#"{"priority":12}"#) == "REQUEST header: $.priority: expected an integer in 0...9, found 12"
        )
        #expect(message(#"{"stream":"yes"}"#) == "REQUEST header: $.stream: expected true or false, found a string")
        #expect(message(#"{"on_loss":"give up"}"#).contains(#"expected one of "retry", "fail", found "give up""#))
        let key = String(repeating: "k", count: 60_000)
        #expect(message(#"{"\#(key)":1,"\#(key)":2}"#).utf8.count < 600)
    }
}

/// A message of 300,000 frames of which a receiver kept 20.
private struct Flood: FrameSource {
    let frameCount = 300_000

    func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index < Limits.wireFrameCountMax, "frame \(index) was dropped")
        let frame = index == 0 ? ProtocolVersion.bytes : index == 1 ? Verb.request.bytes : [120]
        return unsafe try Bytes(frame).withUnsafeBytes(body)
    }
}
