import BusProtocol
import Foundation
import JSON

/// A file of the folder `protocol/`.
func protocolFile(_ name: String) throws -> JSONValue {
    let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let data = try Data(contentsOf: root.appendingPathComponent("protocol").appendingPathComponent(name))
    return try JSONValue(parsing: [UInt8](data))
}

/// One entry of `vectors.json`.
struct Vector: Sendable, CustomStringConvertible {
    var name: String
    var direction: String
    var frames: FrameList
    var isCanonical: Bool
    /// The decoded message, or nil in the list of refused ones.
    var message: JSONValue?
    var errorCode: Int?
    var answerEnvelope: [[UInt8]] = []
    var answerID: [UInt8] = []

    var description: String { "\(direction): \(name)" }

    init(_ reader: JSONReader) throws {
        name = try reader.member("name").string()
        direction = try reader.member("direction").string()
        frames = FrameList(try reader.member("frames").array().map(Self.frame))
        isCanonical = try reader.optionalMember("canonical")?.bool() ?? false
        message = try reader.optionalMember("message")?.value
        errorCode = try reader.optionalMember("error")?.member("code").int()
        guard let answer = try reader.optionalMember("answer") else { return }
        answerEnvelope = try answer.member("envelope").array().map { try bytes(hex: $0.string()) }
        answerID = try bytes(hex: answer.member("id").string())
    }

    private static func frame(_ reader: JSONReader) throws -> [UInt8] {
        if case .string(let text) = reader.value { return try bytes(hex: text) }
        let unit = try bytes(hex: reader.member("hex").string())
        let times = try reader.member("times").int(in: 0...16_000_000)
        return Array(repeatElement(unit, count: times).joined())
    }

    static func load(_ list: String) -> [Vector] {
        do {
            return try JSONReader(try protocolFile("vectors.json")).member(list).array().map(Vector.init)
        } catch {
            fatalError("vectors.json: \(error)")
        }
    }
}

struct NotHex: Error {
    var text: String
}

func bytes(hex text: String) throws -> [UInt8] {
    let digits = try text.utf8.map { digit in
        guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { throw NotHex(text: text) }
        return UInt8(value)
    }
    guard digits.count.isMultiple(of: 2) else { throw NotHex(text: text) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}
