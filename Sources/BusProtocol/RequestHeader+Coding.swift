public import CoreTypes
import JSON

extension RequestHeader {
    private static let members = [
        "deadline_ms", "priority", "stream", "durability", "on_loss", "task", "ttl_ms", "cancel_on_disconnect",
    ]

    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        self.init()
        if frames.byteCount(head.headerFrame) == 0 { return }
        let header = try HeaderReader(frames, head, known: Self.members)
        if let value = try header.optional(
            "deadline_ms",
            { (value) throws(JSONError) in try value.milliseconds(in: Limits.deadline) }
        ) {
            deadline = value
        }
        if let value = try header.optional(
            "priority",
            { (value) throws(JSONError) in try value.int(in: Limits.priority) }
        ) {
            priority = value
        }
        stream = try header.optional("stream") { (value) throws(JSONError) in try value.bool() } ?? false
        durability = try header.optional("durability") { (value) throws(JSONError) in
            try value.word(Durability.self)
        }
        onLoss =
            try header.optional("on_loss") { (value) throws(JSONError) in try value.word(LossPolicy.self) } ?? .retry
        task = try header.optional("task") { (value) throws(JSONError) in
            try value.text(byteCountMax: Limits.taskBytesMax)
        }
        ttl = try header.optional("ttl_ms") { (value) throws(JSONError) in try value.milliseconds(in: Limits.ttl) }
        cancelOnDisconnect =
            try header.optional("cancel_on_disconnect") { (value) throws(JSONError) in try value.bool() } ?? false
    }

    /// Reads what ``encoded`` gave.
    public init(encoded: Bytes) throws(BusError) {
        let frames = FrameList([[UInt8]("UBP/1".utf8), [UInt8](Verb.request.rawValue.utf8), [], encoded.array])
        try self.init(frames, MessageHead(frames))
    }

    /// The header as JSON; members with their default are left out, and a header of defaults only is empty.
    public var encoded: [UInt8] {
        if self == RequestHeader() { return [] }
        var writer = JSONWriter(reserving: 192)
        writer.beginObject()
        writer.member("deadline_ms", milliseconds: deadline == Limits.deadlineDefault ? nil : deadline)
        writer.member("priority", priority == Limits.priorityDefault ? nil : priority)
        writer.member("stream", stream ? true : nil)
        writer.member("durability", durability?.rawValue)
        writer.member("on_loss", onLoss == .retry ? nil : onLoss.rawValue)
        writer.member("task", task)
        writer.member("ttl_ms", milliseconds: ttl)
        writer.member("cancel_on_disconnect", cancelOnDisconnect ? true : nil)
        writer.endObject()
        return writer.bytes
    }
}
