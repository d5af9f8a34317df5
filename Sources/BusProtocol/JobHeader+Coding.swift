import CoreTypes
import JSON

extension JobHeader {
    private static let members = [
        "session", "tenant", "id", "task", "first_attempt", "remaining_ms", "waited_ms", "stream", "lost",
    ]

    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: Self.members)
        self.init(
            session: try header.required("session") { (value) throws(JSONError) in try value.session() },
            tenant: try header.required("tenant") { (value) throws(JSONError) -> Tenant in
                guard let tenant = Tenant(try value.string()) else {
                    throw value.failure(.notAllowed, "expected a tenant such as uid-1000")
                }
                return tenant
            },
            id: try header.required("id") { (value) throws(JSONError) -> RequestID in
                guard let id = RequestID(try value.string()) else {
                    throw value.failure(.notAllowed, "expected 1 to 128 of A-Z a-z 0-9 . _ : -")
                }
                return id
            },
            task: try header.optional("task") { (value) throws(JSONError) in
                try value.text(byteCountMax: Limits.taskBytesMax)
            },
            firstAttempt: try header.required("first_attempt") { (value) throws(JSONError) in
                try value.number(from: 1)
            },
            remaining: try header.required("remaining_ms") { (value) throws(JSONError) in try value.milliseconds() },
            waited: try header.required("waited_ms") { (value) throws(JSONError) in try value.milliseconds() },
            stream: try header.optional("stream") { (value) throws(JSONError) in try value.bool() } ?? false,
            lost: try header.optional("lost") { (value) throws(JSONError) in try LostDelivery.list(value) } ?? []
        )
    }

    /// The header as JSON; no task, `stream` false and an empty `lost` are left out.
    public var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 320)
        writer.beginObject()
        writer.member("session", session.text)
        writer.member("tenant", tenant.description)
        writer.member("id", id.text)
        writer.member("task", task)
        writer.member("first_attempt", Int(firstAttempt))
        writer.member("remaining_ms", milliseconds: remaining)
        writer.member("waited_ms", milliseconds: waited)
        writer.member("stream", stream ? true : nil)
        if !lost.isEmpty {
            writer.key("lost")
            writer.beginArray()
            for entry in lost { entry.write(into: &writer) }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes
    }
}

extension LostDelivery {
    fileprivate static func list(_ reader: JSONReader) throws(JSONError) -> [LostDelivery] {
        var list: [LostDelivery] = []
        let elements = try reader.array()
        guard elements.count <= Limits.lostDeliveriesMax else {
            throw reader.failure(
                .outOfRange,
                "expected at most \(Limits.lostDeliveriesMax) entries, found \(elements.count)"
            )
        }
        for element in elements {
            list.append(
                LostDelivery(
                    delivery: try element.member("delivery").number(from: 1),
                    attempt: try element.member("attempt").number(),
                    held: try element.member("held_ms").milliseconds()
                )
            )
        }
        return list
    }

    fileprivate func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("delivery", Int(delivery))
        writer.member("attempt", Int(attempt))
        writer.member("held_ms", milliseconds: held)
        writer.endObject()
    }
}

extension Tenant {
    /// Reads a tenant's name as ``description`` writes it, else gives nil.
    public init?(_ text: String) {
        var text = text
        guard let found = text.withUTF8({ unsafe Tenant(bytes: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = found
    }

    /// Reads a tenant's name from its bytes, else gives nil.
    init?(bytes: UnsafeRawBufferPointer) {
        // uid- and a number of up to ten digits, the first of them 0 only when it is the only one.
        guard (5...14).contains(bytes.count),
            unsafe bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self).bigEndian == 0x7569_642D,
            unsafe bytes.count == 5 || bytes[4] != UInt8(ascii: "0")
        else { return nil }
        var number: UInt64 = 0
        for index in 4..<bytes.count {
            let digit = unsafe bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            number = number * 10 + UInt64(digit)
        }
        guard let uid = UInt32(exactly: number) else { return nil }
        self = .user(uid)
    }
}
