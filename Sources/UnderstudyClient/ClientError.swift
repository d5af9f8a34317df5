public import BusProtocol
public import ZeroMQ

/// Why a call of the client brought no answer of the bus.
///
/// A request that a model failed is no error but an ``Outcome``: the bus did its work.
public struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case noBroker, noPermission, badPath, rejected, refused, gone, unknown, lost, noAnswer, tooLarge, tooMany
            case cancelled, closed, badAnswer, system
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// No broker runs at the directory: there is no socket, or its owner is gone.
        public static var noBroker: Self { Self(.noBroker) }
        /// This user may not use the broker's socket.
        public static var noPermission: Self { Self(.noPermission) }
        /// The directory is no place for sockets: too long a path, or something else lies there.
        public static var badPath: Self { Self(.badPath) }
        /// The broker took the request at no time before the deadline; ``ClientError/answer`` is its last reason.
        public static var rejected: Self { Self(.rejected) }
        /// The broker refused the message; the same again is refused again. ``ClientError/answer`` says why.
        public static var refused: Self { Self(.refused) }
        /// A request of this id ended before, and its terminal is gone. A new try needs a new id.
        public static var gone: Self { Self(.gone) }
        /// The broker knows no request of this user with the id that was asked for.
        public static var unknown: Self { Self(.unknown) }
        /// The broker that had accepted the request was started again and no longer knows it; `on_loss` is `fail`.
        public static var lost: Self { Self(.lost) }
        /// A broker is there, but did not answer in time.
        public static var noAnswer: Self { Self(.noAnswer) }
        /// The body is larger than the protocol allows; nothing was sent.
        public static var tooLarge: Self { Self(.tooLarge) }
        /// The client has as many requests open as it may, or one of this id; nothing was sent.
        public static var tooMany: Self { Self(.tooMany) }
        /// The task was cancelled; the broker was told so.
        public static var cancelled: Self { Self(.cancelled) }
        /// The client was closed.
        public static var closed: Self { Self(.closed) }
        /// An answer that is no UBP/1.
        public static var badAnswer: Self { Self(.badAnswer) }
        /// The system refused something, such as a descriptor or a thread.
        public static var system: Self { Self(.system) }

        public var description: String { kind.rawValue }
    }

    /// What went wrong.
    public var code: Code
    /// For people: what, where, and what to do.
    public var message: String
    /// What the broker answered; nil when it did not.
    public var answer: BusError?
    /// True when the request never left this process: it cannot have run, nor been billed.
    public internal(set) var wasNeverSent = false

    /// Makes an error.
    public init(_ code: Code, _ message: String, answer: BusError? = nil) {
        self.code = code
        self.message = message
        self.answer = answer
    }

    /// The error that a broker's refusal amounts to.
    init(_ code: Code, _ answer: BusError) {
        self.init(code, "\(answer)", answer: answer)
    }

    /// The error that a refusal of a message about an id amounts to, nothing having been sent for it here.
    init(_ answer: BusError) {
        switch answer.code {
        case .unknownRequest: self.init(.unknown, answer)
        case .gone: self.init(.gone, answer)
        default: self.init(.refused, answer)
        }
    }

    /// The error for a socket at `path` that cannot be used; nil when somebody listens there.
    public init?(_ reachability: Reachability, path: String) {
        let code: Code
        switch reachability {
        case .listening: return nil
        case .missing, .nobodyListens: code = .noBroker
        case .noPermission: code = .noPermission
        case .notASocket, .pathTooLong: code = .badPath
        case .failed: code = .system
        }
        self.init(code, reachability.explanation(path: path))
    }

    /// True when the same call may go well later without a change.
    public var isRetryable: Bool {
        switch code {
        case .noBroker, .rejected, .noAnswer, .tooMany, .system: true
        default: false
        }
    }

    public var description: String { message }
}
