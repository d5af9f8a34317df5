import CoreTypes
import JSON

/// Makes documents, whole and broken, from a seed.
struct DocumentSource {
    private var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    private static let texts = [
        "", "a", "model", "eight by", "sixteen bytes it", "\"", "\\", "\n\t\r\u{8}\u{C}", "\u{0}\u{1F}\u{7F}", "é",
        "e\u{301}", "日本語", "😀 and more than eight", "\u{10FFFF}", "</script>", "a longer text with a \" in its middle",
    ]

    private static let numbers = [
        "0", "-0", "1", "-1", "12.50", "1E5", "1e-7", "0.1e+09", "9223372036854775807", "18446744073709551616",
        "123456789012345678901234567890.5", "1e999",
    ]

    mutating func chance(_ probability: Double) -> Bool { generator.nextUnit() < probability }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

    /// A random tree at most `depth` levels deep.
    mutating func value(depth: Int) -> JSONValue {
        switch below(depth > 0 ? 8 : 5) {
        case 0: .null
        case 1: .bool(chance(0.5))
        case 2: JSONNumber(text: Self.numbers[below(Self.numbers.count)]).map { .number($0) } ?? .null
        case 3, 4: .string(Self.texts[below(Self.texts.count)])
        case 5: .array((0..<below(5)).map { _ in value(depth: depth - 1) })
        default: .object(object(depth: depth))
        }
    }

    /// A random object; now and then so large that it needs its index.
    mutating func object(depth: Int) -> JSONObject {
        var object = JSONObject()
        for number in 0..<(chance(0.03) ? 40 : below(6)) {
            let key = chance(0.6) ? Self.texts[below(Self.texts.count)] : "key\(number)"
            object[key] = value(depth: depth - 1)
        }
        return object
    }

    /// The value as text with random white space and random escapes.
    mutating func spaced(_ value: JSONValue) -> [UInt8] {
        var bytes: [UInt8] = space()
        switch value {
        case .null, .bool, .number: bytes += value.serialized()
        case .string(let text): bytes += escaped(text)
        case .array(let elements):
            bytes += Array("[".utf8) + space()
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes += Array(",".utf8) }
                bytes += spaced(element)
            }
            bytes += Array("]".utf8)
        case .object(let object):
            bytes += Array("{".utf8) + space()
            for (index, member) in object.enumerated() {
                if index > 0 { bytes += Array(",".utf8) }
                bytes += space() + escaped(member.key) + space() + Array(":".utf8) + spaced(member.value)
            }
            bytes += Array("}".utf8)
        }
        return bytes + space()
    }

    private mutating func space() -> [UInt8] {
        guard chance(0.3) else { return [] }
        return (0..<below(4)).map { _ in [0x20, 0x09, 0x0A, 0x0D][below(4)] }
    }

    /// The text as a JSON string, some of its characters as `\u` escapes.
    private mutating func escaped(_ text: String) -> [UInt8] {
        guard chance(0.3) else { return JSONValue.string(text).serialized() }
        var result = "\""
        for unit in text.utf16 {
            let hex = String(unit, radix: 16, uppercase: chance(0.5))
            result += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
        }
        return Array((result + "\"").utf8)
    }

    /// The document with up to three bytes changed, inserted, removed, or a part repeated.
    mutating func mutated(_ document: [UInt8]) -> [UInt8] {
        var bytes = document
        let spice = Array("{}[]\",:\\u0e-.t n".utf8) + [0x00, 0x1F, 0x7F, 0x80, 0xC3, 0xED, 0xF4, 0xFF]
        for _ in 0..<below(4) where !bytes.isEmpty {
            let position = below(bytes.count)
            switch below(5) {
            case 0: bytes[position] = spice[below(spice.count)]
            case 1: bytes.insert(spice[below(spice.count)], at: position)
            case 2: bytes.remove(at: position)
            case 3: bytes[position] ^= 1 << UInt8(below(8))
            default:
                bytes.insert(contentsOf: bytes[position..<min(bytes.count, position + below(40) + 1)], at: position)
            }
        }
        return bytes
    }
}
