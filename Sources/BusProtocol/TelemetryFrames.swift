public import CoreTypes
import JSON

/// An event on `telemetry.sock`: topic, `UBP/1`, epoch, sequence number, JSON.
public struct TelemetryFrames: Hashable, Sendable {
    /// Number of frames.
    public static let frameCount = 5

    /// Second part of the topic.
    public var eventClass: EventClass
    /// Third part of the topic; nil for events of the broker itself (`-`).
    public var tenant: Tenant?
    /// Start of the broker in Unix milliseconds.
    public var epoch: UInt64
    /// Number of the event within its class and epoch, from 1.
    public var sequence: UInt64
    /// The event as JSON text.
    public var json: Bytes

    /// Makes an event.
    public init(_ eventClass: EventClass, tenant: Tenant?, epoch: UInt64, sequence: UInt64, json: Bytes) {
        self.eventClass = eventClass
        self.tenant = tenant
        self.epoch = epoch
        self.sequence = sequence
        self.json = json
    }

    /// The topic `evt.<class>.<tenant>.`; with the last dot, so that a prefix never matches another tenant.
    public static func topic(_ eventClass: EventClass, tenant: Tenant?) -> [UInt8] {
        Array(("evt." + eventClass.rawValue + "." + (tenant?.description ?? "-") + ".").utf8)
    }

    /// The frame of an epoch or a sequence number: 8 bytes, highest first.
    public static func numberFrame(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8)
        bytes.appendBigEndian(value)
        return bytes
    }

    /// All frames.
    public var frameList: FrameList {
        FrameList([
            Self.topic(eventClass, tenant: tenant), ProtocolVersion.bytes, Self.numberFrame(epoch),
            Self.numberFrame(sequence), json.array,
        ])
    }

    /// Reads an event; the JSON is not parsed.
    ///
    /// - Throws: `malformed`, `version`, or `not_implemented` for a class that is not known here: a subscriber skips it.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames
    ) throws(BusError) -> TelemetryFrames {
        guard frames.frameCount == frameCount else {
            throw BusError(.malformed, "an event has \(frames.frameCount) frames; expected \(frameCount)")
        }
        try unsafe frames.withFrame(1) { (bytes) throws(BusError) in
            guard unsafe ProtocolVersion.matches(bytes) else {
                let code: ErrorCode = unsafe ProtocolVersion.looksLikeOne(bytes) ? .version : .malformed
                throw BusError(code, "the event's version is \(unsafe ForeignText.quoted(bytes)); expected UBP/1")
            }
        }
        let (eventClass, tenant) = try unsafe frames.withFrame(0) { (bytes) throws(BusError) in
            try unsafe parts(ofTopic: bytes)
        }
        return TelemetryFrames(
            eventClass,
            tenant: tenant,
            epoch: try number(frames, 2, "epoch"),
            sequence: try number(frames, 3, "sequence number"),
            json: frames.frameBytes(4)
        )
    }

    private static func parts(ofTopic bytes: UnsafeRawBufferPointer) throws(BusError) -> (EventClass, Tenant?) {
        var parts: [Substring] = []
        if bytes.count <= 256 {
            parts = unsafe String(decoding: bytes, as: UTF8.self).split(
                separator: ".",
                omittingEmptySubsequences: false
            )
        }
        guard parts.count == 4, parts[0] == "evt", parts[3].isEmpty,
            parts[2] == "-" || Tenant(String(parts[2])) != nil
        else {
            let found = unsafe ForeignText.quoted(bytes)
            throw BusError(.malformed, "the topic is \(found); expected evt.<class>.<tenant or ->.")
        }
        guard let eventClass = EventClass(rawValue: String(parts[1])) else {
            throw BusError(.notImplemented, "unknown event class in the topic \(unsafe ForeignText.quoted(bytes))")
        }
        return (eventClass, Tenant(String(parts[2])))
    }

    private static func number<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ index: Int,
        _ what: String
    ) throws(BusError) -> UInt64 {
        try unsafe frames.withFrame(index) { (bytes) throws(BusError) in
            guard bytes.count == 8 else {
                throw BusError(.malformed, "the \(what) of an event has \(bytes.count) bytes; expected 8")
            }
            return unsafe bytes.loadUnaligned(as: UInt64.self).bigEndian
        }
    }

    /// The tenant that a worker's `EVENT` names in its JSON (`tenant`), for the topic to publish it under.
    ///
    /// - Throws: `malformed` when the header is no JSON object: it must not be published. No `tenant` gives nil.
    public static func tenant(ofEvent json: Bytes) throws(BusError) -> Tenant? {
        try unsafe json.withUnsafeBytes { (bytes) throws(BusError) in
            do throws(JSONError) {
                let found = try unsafe JSONMembers.value(of: "tenant", scanning: bytes, limits: .header)
                guard let found, found.kind == .string else { return nil }
                // A tenant's name needs no escapes: with some it is none of ours.
                let name = unsafe bytes[found.range.dropFirst().dropLast()]
                return unsafe Tenant(bytes: UnsafeRawBufferPointer(rebasing: name))
            } catch {
                throw BusError(.malformed, ForeignText.clipped("EVENT header: \(error.description)"))
            }
        }
    }
}
