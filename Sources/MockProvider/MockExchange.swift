import JSON

/// A recorded exchange with a provider: what was asked, if that is known, and what was answered.
public struct MockExchange: Sendable, Hashable {
    /// How calls and scripts name it: the path of its file within the recording, without `.json`.
    public let name: String

    /// Status of the answer, `200 ... 599`.
    public let status: Int

    /// Headers of the answer with a `content-type`, without those of the transport and without `date`.
    public let headers: [MockHeader]

    /// Body of the answer, decoded.
    public let body: [UInt8]

    /// How long the answer took.
    public let latency: MockLatency

    /// What was asked; nil when it is not known or went to a service that the mock does not have.
    let question: Question?

    /// What is compared of a request.
    struct Question: Hashable {
        var endpoint: Endpoint
        /// The model, from the body or the path.
        var model: String?
        var isStream: Bool
        /// The body with its members sorted; nil when it is not known.
        var body: JSONValue?
    }

    /// True when the answer is a stream of events.
    var isEventStream: Bool {
        headers.contains { $0.name.lowercased() == "content-type" && $0.value.hasPrefix("text/event-stream") }
    }

    /// The events of the body, each with the blank line behind it; put together they are the body.
    var events: [ArraySlice<UInt8>] {
        var events: [ArraySlice<UInt8>] = []
        var start = 0
        var lineStart = 0
        for (index, byte) in body.enumerated() where byte == ASCII.lineFeed {
            let line = body[lineStart..<index]
            lineStart = index + 1
            if line.isEmpty || line.elementsEqual([ASCII.carriageReturn]) {
                events.append(body[start...index])
                start = index + 1
            }
        }
        if start < body.count { events.append(body[start...]) }
        return events
    }
}

extension JSONValue {
    /// The value with the members of all objects sorted by key, so that their order makes no difference.
    var withSortedMembers: JSONValue {
        switch self {
        case .null, .bool, .number, .string:
            return self
        case .array(let values):
            return .array(values.map(\.withSortedMembers))
        case .object(let object):
            var sorted = JSONObject()
            sorted.reserveCapacity(object.count)
            for (key, value) in object.sorted(by: { $0.key < $1.key }) { sorted[key] = value.withSortedMembers }
            return .object(sorted)
        }
    }
}
