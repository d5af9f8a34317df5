import CoreTypes
import JSON
import Testing

@Suite("Parsing and writing a tree")
struct ParsingTests {
    @Test
    func orderAndNumberTextAreKept() throws {
        let text = #"{"z":1.50,"a":[1e3,-0,100000000000000000000],"m":{"b":null,"a":true}}"#
        #expect(String(decoding: try JSONValue(parsing: text).serialized(), as: UTF8.self) == text)
    }

    @Test(arguments: [
        (#""\u0041\u00e9\u65e5\ud83d\ude00""#, "Aé日😀"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        (#""\u0000""#, "\u{0}"), (#""plain text of more than sixteen bytes""#, "plain text of more than sixteen bytes"),
    ])
    func escapesAreDecoded(text: String, expected: String) throws {
        #expect(try JSONValue(parsing: text) == .string(expected))
    }

    @Test
    func onlyWhatMustBeEscapedIs() {
        let value: JSONValue = .string("\"\\/\n\r\t\u{8}\u{C}\u{1}\u{1F}\u{7F}é😀 and a tail of plain text\"")
        #expect(value.description == #""\"\\/\n\r\t\b\f\u0001\u001f"# + "\u{7F}é😀 and a tail of plain text" + #"\"""#)
    }

    @Test(arguments: [
        (#"{"a":{"b":[1,{"c d":tru}]}}"#, #"$.a.b[1]["c d"]"#, 20), (#"{"a":1,"b":{"x":1,"x":2}}"#, "$.b.x", 18),
        (#"[1,2,,]"#, "$[2]", 5), ("[1 2]", "$", 3), (#"{"a" 1}"#, "$", 5), ("{1:2}", "$", 1), ("", "$", 0),
        ("[", "$[0]", 1),
        ("1 1", "$", 2), ("\u{FEFF}1", "$", 0), ("\"\\x\"", "$", 2), ("\"\\u00g0\"", "$", 5), ("\"a\nb\"", "$", 2),
        ("\"abc", "$", 0), ("01", "$", 1), ("-", "$", 1), ("1.", "$", 2), ("1e+", "$", 3),
    ])
    func errorNamesThePlace(text: String, path: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        #expect(error?.path == path)
        #expect(error?.offset == offset)
    }

    @Test
    func errorSaysFoundAndExpectedWithLineAndColumn() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: "{\n  \"a\": 1\n  \"b\": 2\n}") }
        #expect(error?.description == "$: expected ',' or '}', found '\"' (line 3, column 3)")
        #expect(error?.code == .syntax)
    }

    @Test
    func errorStaysShortWhateverTheInput() {
        let key = String(repeating: "k", count: 100_000)
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: "{\"\(key)\":nul}") }
        #expect((error?.description.utf8.count ?? .max) < 300)
    }

    @Test
    func everyLimitHolds() throws {
        func code(_ text: String, _ limits: JSONLimits) -> [JSONError.Code?] {
            let whole = #expect(throws: JSONError.self) { try JSONValue(parsing: text, limits: limits) }
            let scanned = #expect(throws: JSONError.self) { try JSONMembers(scanning: Bytes(text), limits: limits) }
            return [whole?.code, scanned?.code]
        }
        let text = #"{"a":{"b":[0,1]},"c":2}"#
        let exact = JSONLimits(depthMax: 3, byteCountMax: 23, memberCountMax: 2, valueCountMax: 6)
        #expect(try JSONValue(parsing: text, limits: exact).objectValue?.count == 2)
        #expect(try JSONMembers(scanning: Bytes(text), limits: exact).count == 2)
        #expect(code(text, JSONLimits(depthMax: 2)) == [.tooDeep, .tooDeep])
        #expect(code(text, JSONLimits(byteCountMax: 22)) == [.tooLarge, .tooLarge])
        #expect(code(text, JSONLimits(memberCountMax: 1)) == [.tooManyMembers, .tooManyMembers])
        #expect(code(text, JSONLimits(valueCountMax: 5)) == [.tooManyValues, .tooManyValues])
    }

    @Test
    func deepestAllowedDocumentIsReadAndWritten() throws {
        let text = String(repeating: #"{"a":["#, count: 256) + String(repeating: "]}", count: 256)
        let value = try JSONValue(parsing: text, limits: JSONLimits(depthMax: 512))
        #expect(value.description == text)
    }

    @Test
    func everyFormOfBytesGivesTheSame() throws {
        let text = #" {"a":[1]} "#
        let expected: JSONValue = ["a": [1]]
        #expect(try JSONValue(parsing: Array(text.utf8)) == expected)
        #expect(try JSONValue(parsing: Bytes(text)) == expected)
        #expect(try JSONValue(parsing: Array(("x" + text).utf8), in: 1..<11) == expected)
        #expect(try JSONValue(parsing: Bytes("x" + text + "y"), in: 2..<11) == expected)
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes("x" + text + "y"), in: 2..<10) }
    }
}
