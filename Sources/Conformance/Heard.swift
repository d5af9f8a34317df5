import BusProtocol
import CoreTypes
import JSON

/// A message as it came, and read as far as it can be.
struct Heard {
    /// The sender's routing id, where the tester is a ROUTER.
    let route: [UInt8]
    /// The frames up to and with the empty one; none of an attached agent or a worker.
    let envelope: [[UInt8]]
    /// F0..
    let frames: [[UInt8]]
    /// When it was received.
    let time: ContinuousClock.Instant

    /// Reads `all`, the frames as they came.
    init(_ all: [[UInt8]], hasRoute: Bool, time: ContinuousClock.Instant) {
        var rest = all[...]
        route = hasRoute ? rest.popFirst() ?? [] : []
        if rest.first?.starts(with: Array("UBP/".utf8)) != true, let end = rest.firstIndex(where: { $0.isEmpty }) {
            envelope = Array(rest[...end])
            rest = rest[(end + 1)...]
        } else {
            envelope = []
        }
        frames = Array(rest)
        self.time = time
    }

    /// F1 as text.
    var verb: String { text(1) }
    /// F2.
    var id: [UInt8] { frames.count > 2 ? frames[2] : [] }
    /// F2 as text.
    var idText: String { text(2) }
    /// F2 as a delivery key; nil when it is none.
    var key: DeliveryKey? { unsafe id.withUnsafeBytes { unsafe DeliveryKey(bytes: $0) } }
    /// F3 as bytes.
    var headerBytes: [UInt8] { frames.count > 3 ? frames[3] : [] }
    /// F4..
    var body: [[UInt8]] { Array(frames.dropFirst(4)) }
    /// F4.. in one.
    var joinedBody: [UInt8] { Array(body.joined()) }

    /// F3 as an object; empty when it is none.
    var header: JSONObject {
        guard !headerBytes.isEmpty else { return JSONObject() }
        return (try? JSONValue(parsing: headerBytes, limits: .header))?.objectValue ?? JSONObject()
    }

    /// An integer of the header.
    func int(_ key: String) -> Int? { header[key]?.intValue }
    /// A text of the header.
    func string(_ key: String) -> String? { header[key]?.stringValue }

    private func text(_ index: Int) -> String {
        index < frames.count ? String(decoding: frames[index], as: UTF8.self) : ""
    }
}

/// Messages in a form for people.
enum FrameText {
    /// A message from F0 on, after `envelope`.
    static func describe(_ frames: [[UInt8]], envelope: [[UInt8]] = []) -> String {
        var words: [String] = []
        if !envelope.isEmpty { words.append("[" + envelope.map { frame($0) }.joined(separator: " ") + "]") }
        guard frames.count >= 4, frames[0] == ProtocolVersion.bytes else {
            words.append("frames " + frames.prefix(6).map { frame($0) }.joined(separator: " "))
            if frames.count > 6 { words.append("and \(frames.count - 6) more") }
            return words.joined(separator: " ")
        }
        words.append(frame(frames[1], quotes: false))
        if !frames[2].isEmpty { words.append(id(frames[2])) }
        if !frames[3].isEmpty { words.append(frame(frames[3], quotes: false, most: 400)) }
        let body = frames.dropFirst(4)
        if !body.isEmpty {
            let sizes = body.prefix(8).map { "\($0.count)" }.joined(separator: "+")
            words.append("body \(sizes)\(body.count > 8 ? "+…" : "") bytes")
        }
        return words.joined(separator: " ")
    }

    /// A frame: text where it is text, else hexadecimal; cut where it is long.
    static func frame(_ bytes: [UInt8], quotes: Bool = true, most: Int = 60) -> String {
        let head = bytes.prefix(most)
        let more = bytes.count > most ? "… (\(bytes.count) bytes)" : ""
        if head.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), let text = String(validating: head, as: UTF8.self) {
            return quotes ? "\"\(text)\"\(more)" : text + more
        }
        return hex(Array(head.prefix(20))) + (bytes.count > 20 ? "… (\(bytes.count) bytes)" : "")
    }

    /// What a program printed, which has line ends; cut where it is long.
    static func printed(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(400), as: UTF8.self).debugDescription
        return text + (bytes.count > 400 ? "… (\(bytes.count) bytes)" : "")
    }

    private static func id(_ bytes: [UInt8]) -> String {
        // An agent's id of 16 letters is one of the grammar; a delivery key begins with zero bytes.
        if bytes.count == 16, let key = unsafe bytes.withUnsafeBytes({ unsafe DeliveryKey(bytes: $0) }),
            bytes.contains(where: { $0 < 0x20 })
        {
            return key.description
        }
        return frame(bytes, quotes: false, most: 128)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
