import CoreTypes
import JSON
import Testing

@Suite("Scanning and splicing")
struct SpliceTests {
    @Test
    func membersAreFoundWithTheirRangesAndKinds() throws {
        let text = #" { "a" : [1, {"x":"]}"}] ,"b\u0065":"v","n":-1.5e3 , "t":true,"f":false,"z":null,"o":{}} "#
        let bytes = Array(text.utf8)
        let members = try JSONMembers(scanning: bytes)
        #expect((0..<members.count).map(members.key(at:)) == ["a", "be", "n", "t", "f", "z", "o"])
        #expect(
            (0..<members.count).map(members.kind(at:)) == [.array, .string, .number, .bool, .bool, .null, .object]
        )
        func part(_ range: Range<Int>?) -> String? { range.map { String(decoding: bytes[$0], as: UTF8.self) } }
        #expect(part(members.value(for: "a")) == #"[1, {"x":"]}"}]"#)
        #expect(part(members.keyRange(at: 1)) == #""b\u0065""#)
        #expect(part(members.memberRange(at: 1)) == #""b\u0065":"v""#)
        #expect(part(members.value(for: "n")) == "-1.5e3")
        #expect(part(members.objectRange).map { Array($0.utf8) } == Array(bytes[1..<(bytes.count - 1)]))
        #expect(members.value(for: "absent") == nil)
        #expect(members.kind(of: "o") == .object)
        #expect(members.contains("be"))
    }

    @Test
    func everyDuplicateIsFoundBelowAndAboveTheSizeThatChangesTheSearch() {
        let keys = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for count in [1, 15, 16, 17, 18, 52] {
            let members = keys.prefix(count).map { "\"\($0)\":0" }.joined(separator: ",")
            #expect(throws: Never.self) { try JSONMembers(scanning: Bytes("{\(members)}")) }
            for key in keys.prefix(count) {
                let text = "{\(members),\"\(key)\":0}"
                let scanned = #expect(throws: JSONError.self) { try JSONMembers(scanning: Bytes(text)) }
                let parsed = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
                #expect(scanned?.code == .duplicateKey)
                #expect(parsed == scanned)
            }
        }
    }

    @Test
    func nestedObjectIsScannedInPlace() throws {
        let bytes = Bytes(#"{"id":1,"usage":{"in":5,"out":7}}"#)
        let outer = try JSONMembers(scanning: bytes)
        let inner = try JSONMembers(scanning: bytes, in: try #require(outer.value(for: "usage")))
        let range = try #require(inner.value(for: "out"))
        #expect(try JSONValue(parsing: bytes, in: range) == 7)
    }

    @Test
    func documentThatIsNoObjectIsRefused() {
        let error = #expect(throws: JSONError.self) { try JSONMembers(scanning: Bytes("[1]")) }
        #expect(error?.code == .wrongType)
        #expect(error?.description == "$: expected an object, found '[' (line 1, column 1)")
    }

    @Test
    func duplicateTopLevelKeysAreKeptOnDemandAndTheLastOneCounts() throws {
        let text = #"{"a":1,"b":[],"\u0061":"two","c":null}"#
        let members = try JSONMembers(scanning: Bytes(text), keepingDuplicates: true)
        #expect(members.count == 4)
        #expect(members.index(of: "a") == 2 && members.kind(of: "a") == .string)
        #expect(members.kind(of: "b") == .array)
        let many = "{" + (0..<100).map { "\"k\($0 % 40)\":\($0)" }.joined(separator: ",") + "}"
        #expect(try JSONMembers(scanning: Bytes(many), keepingDuplicates: true).index(of: "k3") == 83)
    }

    @Test
    func duplicateTopLevelKeyIsRefusedHoweverItIsWrittenAndHoweverManyThereAre() {
        let many = (0..<100).map { "\"k\($0)\":0" }.joined(separator: ",")
        for text in [#"{"a":1,"\u0061":2}"#, #"{"a":1,"a":2}"#, "{\(many),\"k3\":1}", "{\(many),\"k99\":1}"] {
            let scanned = #expect(throws: JSONError.self) { try JSONMembers(scanning: Bytes(text)) }
            #expect(scanned?.code == .duplicateKey)
            let parsed = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
            #expect(parsed == scanned)
        }
        #expect(throws: Never.self) { try JSONMembers(scanning: Bytes("{\(many)}")) }
    }

    @Test(arguments: [
        (#"{"a":1,"b":2,"c":3}"#, ["a"], [], #"{"b":2,"c":3}"#),
        (#"{"a":1,"b":2,"c":3}"#, ["b"], [], #"{"a":1,"c":3}"#),
        (#"{"a":1,"b":2,"c":3}"#, ["c"], [], #"{"a":1,"b":2}"#), (#"{"a":1,"b":2,"c":3}"#, ["a", "b", "c"], [], "{}"),
        (#"{"a":1,"b":2,"c":3}"#, ["a", "c", "no"], [], #"{"b":2}"#),
        (#"{"a":1,"b":2,"c":3}"#, ["a", "b"], [], #"{"c":3}"#),
        ("{ }", [], ["n"], #"{"n":0 }"#), (" {\n} ", [], ["n", "m"], " {\"n\":0,\"m\":0\n} "),
        (#"{"a" : 1 , "b": 2 }"#, [], ["a", "n"], #"{"a" : 0 , "b": 2,"n":0 }"#),
        (#"{"a":1}"#, ["a"], ["n"], #"{"n":0}"#), (#"{"a":1}"#, ["a"], ["a"], #"{"a":0}"#),
        (#"{"\u0061":1.50,"b":"\ud800"}"#, [], ["n"], #"{"\u0061":1.50,"b":"\ud800","n":0}"#),
        (#"{ "a":1,  "b":2,   "c":3}"#, ["b"], [], #"{ "a":1,   "c":3}"#),
        (#"{"a":1}"#, [], ["q\""], #"{"a":1,"q\"":0}"#),
    ])
    func everythingElseStaysByteForByte(text: String, removing: [String], replacing: [String], expected: String) throws
    {
        let values = replacing.map { (key: $0, value: [UInt8(ascii: "0")]) }
        let spliced = try JSONSplice.rewriting(Array(text.utf8), replacing: values, removing: removing)
        #expect(String(decoding: spliced, as: UTF8.self) == expected)
        #expect(try JSONSplice.rewriting(Bytes(text), replacing: values, removing: removing) == spliced)
    }

    @Test
    func brokenDocumentIsNotSpliced() {
        #expect(throws: JSONError.self) { try JSONSplice.rewriting(Array(#"{"a":[1,}"#.utf8), removing: ["a"]) }
    }

    @Test
    func replacingAKeyTwiceStopsTheProcess() async {
        await #expect(processExitsWith: .failure) {
            _ = try JSONSplice.rewriting(Array("{}".utf8), replacing: [("a", [0x30]), ("a", [0x31])])
        }
    }
}
