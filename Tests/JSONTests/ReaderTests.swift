import JSON
import Testing

@Suite("Typed reading")
struct ReaderTests {
    private let root = JSONReader(
        [
            "policy": ["attempts": 3, "jitter": 0.25, "name": "  ", "mode": "fast", "on": true, "off": nil],
            "models": [["name": "a"], ["name": 7]],
        ],
        source: "understudy.json"
    )

    @Test
    func rightTypesAreRead() throws {
        let policy = try root.member("policy")
        #expect(try policy.member("attempts").int(in: 1...10) == 3)
        #expect(try policy.member("attempts").uint64() == 3)
        #expect(try policy.member("jitter").double(in: 0...1) == 0.25)
        #expect(try policy.member("mode").oneOf(["fast", "slow"]) == "fast")
        #expect(try policy.member("mode").nonEmptyString() == "fast")
        #expect(try policy.member("on").bool())
        #expect(try policy.member("off").isNull)
        #expect(try policy.optionalMember("off") == nil)
        #expect(try policy.optionalMember("absent") == nil)
        #expect(try policy.optionalMember("mode")?.string() == "fast")
        #expect(try policy.members().map(\.key) == ["attempts", "jitter", "name", "mode", "on", "off"])
        #expect(try root.member("models").array().count == 2)
        #expect(throws: Never.self) { try root.requireOnly(["models", "policy", "more"]) }
    }

    @Test
    func errorNamesSourcePathFoundAndExpected() throws {
        let policy = try root.member("policy")
        expect("$.policy.mode: expected an integer in 1...10, found a string", .wrongType) { () throws(JSONError) in
            _ = try policy.member("mode").int(in: 1...10)
        }
        expect("$.policy.attempts: expected an integer in 5...10, found 3", .outOfRange) { () throws(JSONError) in
            _ = try policy.member("attempts").int(in: 5...10)
        }
        expect("$.policy.jitter: expected an integer, found 0.25", .outOfRange) { () throws(JSONError) in
            _ = try policy.member("jitter").int()
        }
        expect("$.policy.attempts: expected a number in 0.0...1.0, found 3", .outOfRange) { () throws(JSONError) in
            _ = try policy.member("attempts").double(in: 0...1)
        }
        expect("$.policy.mode: expected one of \"a\", \"b\", found \"fast\"", .notAllowed) { () throws(JSONError) in
            _ = try policy.member("mode").oneOf(["a", "b"])
        }
        expect("$.policy.name: expected a string that is not empty, found \"  \"", .outOfRange) {
            () throws(JSONError) in
            _ = try policy.member("name").nonEmptyString()
        }
        expect("$.policy: the member \"absent\" is missing", .missingMember) { () throws(JSONError) in
            _ = try policy.member("absent")
        }
        expect("$.models[1].name: expected a string, found a number", .wrongType) { () throws(JSONError) in
            for model in try root.member("models").array() { _ = try model.member("name").string() }
        }
        expect("$.policy.off: unknown key; expected attempts, jitter, name, mode, on", .unknownMember) {
            () throws(JSONError) in
            try policy.requireOnly(["attempts", "jitter", "name", "mode", "on"])
        }
        expect("$.models: expected an object, found an array", .wrongType) { () throws(JSONError) in
            _ = try root.member("models").member("x")
        }
        expect("$.policy.off: expected true or false, found null", .wrongType) { () throws(JSONError) in
            _ = try policy.member("off").bool()
        }
    }

    @Test
    func parsingErrorCarriesTheSource() {
        let error = #expect(throws: JSONError.self) { try JSONReader(parsing: Array("{".utf8), source: "routing.json") }
        #expect(error?.source == "routing.json")
        #expect(error?.description.hasPrefix("routing.json: $: ") == true)
    }

    @Test
    func pathQuotesWhatIsNoName() throws {
        let reader = JSONReader(["a b": ["": [nil]], "x-y_1": 1])
        #expect(reader.path == "$")
        #expect(try reader.member("a b").member("").array()[0].path == #"$["a b"][""][0]"#)
        #expect(try reader.member("x-y_1").path == "$.x-y_1")
    }

    private func expect(_ text: String, _ code: JSONError.Code, _ body: () throws(JSONError) -> Void) {
        let error = #expect(throws: JSONError.self) { try body() }
        #expect(error?.description == "understudy.json: " + text)
        #expect(error?.code == code)
    }
}
