import JSON
import Testing

@Suite("Values, numbers and objects")
struct ValueTests {
    @Test
    func literalsAndAccessorsAgree() {
        let value: JSONValue = ["name": "x", "n": 3, "f": 0.5, "yes": true, "none": nil, "list": [1, "two"]]
        #expect(value["name"]?.stringValue == "x")
        #expect(value["n"]?.intValue == 3)
        #expect(value["f"]?.doubleValue == 0.5)
        #expect(value["yes"]?.boolValue == true)
        #expect(value["none"]?.isNull == true)
        #expect(value["list"]?[1]?.stringValue == "two")
        #expect(value["list"]?[2] == nil)
        #expect(value["list"]?[-1] == nil)
        #expect(value["absent"] == nil)
        #expect(value["name"]?.intValue == nil)
        #expect(value.description == #"{"name":"x","n":3,"f":0.5,"yes":true,"none":null,"list":[1,"two"]}"#)
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("9223372036854775807", Int64.max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("1.5", nil), ("3.0", 3), ("1e3", 1000), ("1E400", nil), ("1e-1", nil),
            ("9007199254740992.0", 9_007_199_254_740_992), ("9007199254740993.0", nil), ("1e17", nil),
            ("-9007199254740992e0", -9_007_199_254_740_992), ("9e15", 9_000_000_000_000_000), ("1e16", nil),
            // A double rounds these to 0, 5 and 5.
            ("5e-999999999999999999", nil), ("4.99999999999999999999", nil), ("5.00000000000000000001", nil),
            ("5e-99999999999999999999999999", nil), ("5e99999999999999999999999999", nil),
            ("5e9223372036854775807", nil),
            ("5e-9223372036854775808", nil), ("50e-1", 5), ("500.00e-2", 5), ("0.05e2", 5), ("-0.5E+1", -5),
            ("0e-999999999999999999999", 0), ("0.000e400", 0), ("-0.0", 0), ("0.5", nil), ("120.0", 120), ("1.5e1", 15),
            ("1.55e1", nil), ("10.5e1", 105),
        ] as [(String, Int64?)]
    )
    func integersAreExactOrAbsent(text: String, expected: Int64?) throws {
        #expect(try #require(JSONNumber(text: text)).int64 == expected)
    }

    @Test
    func unsignedIntegersReachTheirWholeRange() throws {
        #expect(JSONNumber(UInt64.max).uint64 == .max)
        #expect(JSONNumber(UInt64.max).int64 == nil)
        #expect(JSONNumber(-1).uint64 == nil)
        #expect(try #require(JSONNumber(text: "2.0")).uint64 == 2)
    }

    @Test(arguments: ["", "+1", "01", ".5", "1.", "1e", "--1", "0x1", "1 ", " 1", "NaN", "1_000", "-"])
    func textThatIsNoNumberIsRefused(text: String) {
        #expect(JSONNumber(text: text) == nil)
    }

    @Test(arguments: [0.1, -1.5e300, Double.leastNonzeroMagnitude, 1e16, 123_456_789.25, -0.0])
    func doublesSurviveTheirText(value: Double) throws {
        let number = JSONNumber(value)
        #expect(JSONNumber(text: number.text) == number)
        #expect(number.double.bitPattern == value.bitPattern)
    }

    @Test
    func numberBeyondADoubleIsInfinite() throws {
        #expect(try JSONValue(parsing: "-1e999").doubleValue == -.infinity)
        #expect(JSONValue(Double.nan) == .null)
    }

    @Test(arguments: [3, 40])
    func objectKeepsItsOrderThroughEdits(count: Int) {
        var object = JSONObject()
        for number in 0..<count { object["k\(number)"] = JSONValue(number) }
        object["k1"] = "changed"
        #expect(object.keys == (0..<count).map { "k\($0)" })
        #expect(object.removeValue(forKey: "k0") == 0)
        #expect(object.removeValue(forKey: "k0") == nil)
        object["k0"] = "last"
        #expect(object.keys == (1..<count).map { "k\($0)" } + ["k0"])
        #expect(object["k1"] == "changed")
        #expect(object["k\(count - 1)"] == JSONValue(count - 1))
        #expect(object.count == count)
        for key in object.keys { object[key] = nil }
        #expect(object.isEmpty)
        object["again"] = 1
        #expect(object["again"] == 1)
    }

    @Test
    func keysAndStringsAreComparedByBytes() throws {
        let value = try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(value["\u{E9}"] == 1)
        #expect(value["e\u{301}"] == 2)
        #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    }

    @Test
    func orderOfMembersCountsForEquality() {
        #expect(["a": 1, "b": 2] as JSONValue != ["b": 2, "a": 1])
        #expect(["a": 1, "b": 2] as JSONValue == ["a": 1, "b": 2])
        #expect(Set<JSONValue>([["a": 1], ["a": 1], [1], [1.0]]).count == 3)
    }
}
