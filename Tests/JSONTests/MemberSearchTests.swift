import CoreTypes
import Testing

@testable import JSON

/// The search for one member says what the scan for all of them says.
struct MemberSearchTests {
    private func check(_ text: String, limits: JSONLimits = .header) {
        let bytes = Array(text.utf8)
        let long = Result { () throws(JSONError) in try JSONMembers(scanning: bytes, limits: limits) }
        let short = Result { () throws(JSONError) in
            try unsafe Bytes(bytes).withUnsafeBytes { (buffer) throws(JSONError) in
                try unsafe JSONMembers.value(of: "tenant", scanning: buffer, limits: limits)
            }
        }
        switch (long, short) {
        case (.success(let members), .success(let found)):
            #expect(members.value(for: "tenant") == found?.range, "\(text)")
            #expect(members.kind(of: "tenant") == found?.kind, "\(text)")
        case (.failure(let one), .failure(let other)):
            #expect(one.description == other.description, "\(text)")
        default:
            Issue.record("\(long) but \(short) for \(text)")
        }
    }

    @Test func `search and scan agree on objects and on faults`() {
        let many = (0..<40).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        for text in [
            "", " ", "{}", " { } ", "{", "}", "[]", "1", "{}x", "{\"tenant\":\"uid-1\"}", "{\"tenant\":1,\"b\":[{}]}",
            "{\"a\":1,\"tenant\" : \"x\" , \"c\":null}", "{\"tenant\":1,\"tenant\":2}", "{\"a\":1,\"b\":2,\"a\":3}",
            "{\"tenan\\u0074\":1}", "{\"tenan\\u0074\":1,\"tenant\":2}", "{\"\":1,\"\":2}", "{\"\":1,\"tenant\":2}",
            "{\"t\":{\"tenant\":1}}", "{\"tenant\":{\"tenant\":1}}", "{\"tenant\":}", "{\"tenant\"}", "{tenant:1}",
            "{\"tenant\":1,}", "{\"tenant\":1 \"b\":2}", "{\"a\":tru}", "{\"a\":\"\u{1}\"}", "{\"ä\":1,\"ä\":2}",
            "{\"xb\":1,\"yb\":2,\"xc\":3,\"xb\":4}", "{\(many)}", "{\(many),\"tenant\":\"z\"}", "{\(many),\"k7\":1}",
            "{\"tenant\":\"z\",\(many)}", "{\"\\ud800\":1}", "\u{FEFF}{}",
        ] { check(text) }
        check("{\"tenant\":\(String(repeating: "[", count: 100))\(String(repeating: "]", count: 100))}")
    }

    @Test func `search and scan agree on random texts`() {
        var random = SeededGenerator(seed: 7)
        let pieces = ["{", "}", "\"tenant\"", "\"a\"", "\"b\"", ":", ",", "1", "null", "[", "]", " ", "\"\\n\""]
        for _ in 0..<20_000 {
            check(
                (0..<Int.random(in: 1...12, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
            )
        }
    }
}
