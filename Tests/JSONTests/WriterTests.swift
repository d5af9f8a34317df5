import CoreTypes
import JSON
import Testing

@Suite("Writing without a tree")
struct WriterTests {
    @Test
    func commasAndColonsComeByThemselves() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("empty")
        writer.beginArray()
        writer.endArray()
        writer.key("list")
        writer.beginArray()
        writer.int(1)
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.null()
        writer.bool(true)
        writer.endArray()
        writer.string("é\"")
        writer.raw(Array("[1 , 2]".utf8))
        writer.raw(Bytes("{}"))
        writer.value(["a": [1]])
        writer.endArray()
        writer.member("after", 0.5)
        writer.endObject()
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(text == #"{"empty":[],"list":[1,{},[null,true],"é\"",[1 , 2],{},{"a":[1]}],"after":0.5}"#)
        #expect(throws: Never.self) { try JSONValue(parsing: writer.bytes) }
    }

    @Test
    func membersOfEveryTypeAreWrittenAndNilOnesSkipped() {
        var writer = JSONWriter(reserving: 16)
        writer.beginObject()
        writer.member("s", "x")
        writer.member("none", nil as String?)
        writer.member("i", Int64.min)
        writer.member("u", UInt64.max)
        writer.member("n", 0)
        writer.member("skipped", nil as Int?)
        writer.member("d", Double.infinity)
        writer.member("b", false)
        writer.member("v", JSONValue.null)
        writer.member("l", ["a", "b"])
        writer.member("r", raw: Array("1e5".utf8))
        writer.endObject()
        let expected =
            #"{"s":"x","i":-9223372036854775808,"u":18446744073709551615,"n":0,"d":null,"b":false,"v":null,"#
            + #""l":["a","b"],"r":1e5}"#
        #expect(String(decoding: writer.bytes, as: UTF8.self) == expected)
    }

    @Test(arguments: [0, 9, 10, 99, 100, 12_345, UInt64.max])
    func integersAreWrittenDigitForDigit(value: UInt64) {
        var writer = JSONWriter()
        writer.uint64(value)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == String(value))
    }

    @Test
    func stringsAreWrittenAsTheTreeWritesThem() {
        for length in 0..<40 {
            for special in ["\"", "\n", "é", "\u{7F}", "\u{1F}"] {
                let text = String(repeating: "a", count: length) + special + "tail"
                var writer = JSONWriter()
                writer.string(text)
                #expect(writer.bytes == JSONValue.string(text).serialized())
                #expect((try? JSONValue(parsing: writer.bytes)) == .string(text))
            }
        }
    }
}
