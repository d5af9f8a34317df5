import BusProtocol
import CoreTypes
import JSON
import Testing

/// The headers of `REPLY`, `FAILURE`, `START` and the events.
@Suite struct TerminalHeaderTests {
    @Test(arguments: FailureClass.allCases)
    func aFailureComesBack(failure: FailureClass) throws {
        let header = FailureHeader(
            failure,
            message: "HTTP 529: \"overloaded\"",
            status: 529,
            model: "anthropic/claude",
            providerError: Bytes(#"{"type":"error","n":1.0}"#),
            meta: Bytes(#"{"attempts":3,"trail":[]}"#)
        )
        let parsed = try FailureHeader(parsing: Bytes(header.encoded))
        #expect(parsed == header)
        #expect(parsed.failureClass == failure)
        #expect(try JSONValue(parsing: header.encoded)["class"]?.stringValue == failure.rawValue)
    }

    @Test func aFailureOfTheBrokerNeedsNoMore() throws {
        let header = FailureHeader(.deadline, message: "")
        #expect(try FailureHeader(parsing: Bytes(header.encoded)) == header)
        #expect(try JSONValue(parsing: header.encoded)["meta"] == .null)
    }

    @Test func aFailureNeverOutgrowsAHeader() throws {
        let long = "\"" + String(repeating: "é", count: 20_000) + "\""
        let header = FailureHeader(
            .invalidRequest,
            message: long + "\u{1}",
            model: long,
            providerError: Bytes(long),
            meta: Bytes(long + " ")
        )
        let full = FailureHeader(
            .invalidRequest,
            message: String(repeating: "\u{1}", count: Limits.errorMessageBytesMax),
            model: String(repeating: "\u{1}", count: 512),
            providerError: Bytes([UInt8](repeating: 32, count: Limits.providerErrorBytesMax - 1) + [48]),
            meta: Bytes([UInt8](repeating: 32, count: Limits.metaBytesMax - 1) + [48])
        )
        for encoded in [header.encoded, full.encoded] {
            #expect(encoded.count <= Limits.headerBytesMax)
            _ = try JSONValue(parsing: encoded, limits: .header)
        }
    }

    @Test(arguments: ["<html>502 \"Bad\"</html>", #"{"error":{"message":"cut of"#, "\u{0}", "nul"])
    func aProviderErrorThatIsNoJSONBecomesText(text: String) throws {
        let header = FailureHeader(.badGateway, message: "HTTP 502", providerError: Bytes(text))
        #expect(try JSONValue(parsing: header.encoded)["provider_error"]?.stringValue == text)
    }

    @Test func aProviderErrorNestedTooDeepForAHeaderBecomesText() throws {
        func shown(_ depth: Int) throws -> JSONValue? {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let header = FailureHeader(.badGateway, message: "", providerError: Bytes(text))
            return try JSONValue(parsing: header.encoded, limits: .header)["provider_error"]
        }
        #expect(try shown(Limits.headerDepthMax - 1)?.arrayValue != nil)
        #expect(try shown(Limits.headerDepthMax)?.stringValue != nil)
    }

    @Test func aReplyCarriesItsMeta() throws {
        let header = ReplyHeader(meta: Bytes(#"{"attempts":1}"#))
        #expect(header.encoded == Array(#"{"meta":{"attempts":1}}"#.utf8))
        #expect(try ReplyHeader(parsing: Bytes(header.encoded)) == header)
        #expect(try ReplyHeader(parsing: .empty) == ReplyHeader(meta: nil))
    }

    @Test func aHeaderThatIsNoObjectIsRefused() {
        #expect(throws: BusError.self) { try FailureHeader(parsing: Bytes("[]")) }
        #expect(throws: BusError.self) { try FailureHeader(parsing: Bytes("{}")) }
        #expect(throws: BusError.self) { try ReplyHeader(parsing: Bytes("1")) }
    }

    @Test func aLaneIsThreeTexts() {
        let lane = Lane(provider: "openai", model: "gpt\"4", key: "OPENAI_API_KEY")
        #expect(
            lane.encoded == Array(#"{"provider":"openai","model":"gpt\"4","key":"OPENAI_API_KEY"}"#.utf8)
        )
    }

    @Test func topicsEndWithADot() {
        #expect(TelemetryFrames.topic(.request, tenant: .user(1000)) == Array("evt.request.uid-1000.".utf8))
        #expect(TelemetryFrames.topic(.snapshot, tenant: nil) == Array("evt.snapshot.-.".utf8))
    }

    @Test func numbersInEventsGoHighestByteFirst() {
        #expect(TelemetryFrames.numberFrame(0x0102_0304_0506_0708) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func anEventNamesItsTenantInItsJSON() throws {
        #expect(try TelemetryFrames.tenant(ofEvent: Bytes(#"{"a":{},"tenant":"uid-7"}"#)) == .user(7))
        #expect(try TelemetryFrames.tenant(ofEvent: Bytes(#"{"tenant":7}"#)) == nil)
        #expect(try TelemetryFrames.tenant(ofEvent: Bytes(#"{"tenant":""}"#)) == nil)
        #expect(try TelemetryFrames.tenant(ofEvent: Bytes("{}")) == nil)
        #expect(throws: BusError.self) { try TelemetryFrames.tenant(ofEvent: Bytes(#"{"tenant":"uid-7""#)) }
        #expect(throws: BusError.self) { try TelemetryFrames.tenant(ofEvent: .empty) }
    }

    @Test func aCutMessageIsStillText() throws {
        let error = BusError(.malformed, String(repeating: "€", count: 3000))
        let answer = AgentReply.error(id: [], error).encoded()
        #expect(answer.header.count < 2300)
        guard case .error(_, let decoded) = try AgentReply.decode(answer.frameList()) else {
            Issue.record("no ERROR came back")
            return
        }
        #expect(decoded.message.allSatisfy { $0 == "€" || $0 == "." })
    }
}
