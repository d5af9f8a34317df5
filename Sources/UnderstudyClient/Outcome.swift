public import BusProtocol
public import CoreTypes

/// How a request ended.
public enum Outcome: Hashable, Sendable {
    /// A model answered.
    case reply(Reply)
    /// None did, or the request was ended.
    case failure(Failure)

    /// An answer.
    public struct Reply: Hashable, Sendable {
        /// The request's id.
        public var id: RequestID
        /// The whole header as JSON.
        public var header: Bytes
        /// `meta` as JSON: which model answered, attempts, retries, the trail; nil when the header has none.
        public var meta: Bytes?
        /// An OpenAI chat completion as JSON.
        public var body: Bytes
    }

    /// The end of a request without an answer.
    public struct Failure: Hashable, Sendable {
        /// The request's id.
        public var id: RequestID
        /// The whole header as JSON.
        public var header: Bytes
        /// The header, read: class, message, the provider's error, `meta`.
        public var error: FailureHeader
    }

    /// The request's id.
    public var id: RequestID {
        switch self {
        case .reply(let reply): reply.id
        case .failure(let failure): failure.id
        }
    }

    /// Reads a terminal.
    ///
    /// - Throws: `badAnswer` when its header is not what the protocol says.
    init(_ terminal: Terminal) throws(ClientError) {
        do throws(BusError) {
            switch terminal.outcome {
            case .reply:
                self = .reply(
                    Reply(
                        id: terminal.id,
                        header: terminal.header,
                        meta: try ReplyHeader(parsing: terminal.header).meta,
                        body: Self.joined(terminal.body)
                    )
                )
            case .failure:
                let error = try FailureHeader(parsing: terminal.header)
                self = .failure(Failure(id: terminal.id, header: terminal.header, error: error))
            }
        } catch {
            throw ClientError(.badAnswer, "the terminal of \(terminal.id) cannot be read: \(error.message)")
        }
    }

    /// Body frames as one run; a single frame, as brokers send it, is not copied.
    private static func joined(_ frames: [Bytes]) -> Bytes {
        if frames.count == 1 { return frames[0] }
        return Bytes(frames.flatMap(\.array))
    }
}
