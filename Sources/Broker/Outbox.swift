import CoreTypes

/// Messages for a connection whose pipe is full, in order and within a bound.
struct Outbox {
    private var messages: [[Bytes]] = []
    private var head = 0
    /// Memory that all waiting messages take, about.
    private(set) var byteCount = 0

    var isEmpty: Bool { head == messages.count }

    /// The message to send next.
    var first: [Bytes]? { isEmpty ? nil : messages[head] }

    /// Appends `message` unless that would exceed `byteCountMax`; says whether it did.
    mutating func append(_ message: [Bytes], byteCountMax: Int) -> Bool {
        let size = Self.size(message)
        guard byteCount + size <= byteCountMax else { return false }
        messages.append(message)
        byteCount += size
        return true
    }

    /// Removes the first message after it was sent.
    mutating func removeFirst() {
        byteCount -= Self.size(messages[head])
        messages[head] = []
        head += 1
        if isEmpty {
            messages = []
            head = 0
        } else if head >= 64, head * 2 >= messages.count {
            messages.removeFirst(head)
            head = 0
        }
    }

    /// With what its frames cost beside their bytes: their array, and for each an allocation and its place. Small messages
    /// would else take twenty times the memory that they are counted for.
    private static func size(_ message: [Bytes]) -> Int { message.reduce(64) { $0 + 96 + $1.count } }
}
