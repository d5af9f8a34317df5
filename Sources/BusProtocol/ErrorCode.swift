/// An entry of the error registry; `protocol/errors.json` lists the same, and a test compares them.
public struct ErrorCode: Hashable, Sendable, CustomStringConvertible {
    /// What kind of trouble it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The message is wrong: mend the sender.
        case fix
        /// Credentials or account of a provider: mend the configuration.
        case auth
        /// No room at the moment.
        case busy
        /// Time is over.
        case expired
        /// A process was lost.
        case lost
        /// A provider failed.
        case provider
        /// What was asked for is not there, or not any more.
        case absent
        /// Ended on request.
        case ended
    }

    /// Whether trying again can help.
    public enum Retry: String, Sendable, Hashable, CaseIterable {
        /// Not as it is.
        case never
        /// Yes, with the same id.
        case sameID = "same_id"
        /// Yes, as a new request with a new id.
        case newID = "new_id"
    }

    /// Whether a provider may have charged for the request.
    public enum Billed: String, Sendable, Hashable, CaseIterable {
        case no
        case maybe
    }

    /// The number, as in `code`.
    public let number: Int
    /// The word, as in `symbol`.
    public let symbol: String
    /// What kind of trouble it is.
    public let kind: Kind
    /// Whether trying again can help.
    public let retry: Retry
    /// Whether a provider may have charged.
    public let billed: Billed

    private init(_ number: Int, _ symbol: String, _ kind: Kind, _ retry: Retry, _ billed: Billed) {
        self.number = number
        self.symbol = symbol
        self.kind = kind
        self.retry = retry
        self.billed = billed
    }

    public var description: String { "\(number) \(symbol)" }

    /// Frames, header or body are not what the protocol says.
    public static let malformed = ErrorCode(400, "malformed", .fix, .never, .no)
    /// The connection set a routing id of its own.
    public static let routingID = ErrorCode(403, "routing_id", .fix, .never, .no)
    /// No request has this id; a request of memory may have been lost, and paid for, with an earlier broker.
    public static let unknownRequest = ErrorCode(404, "unknown_request", .absent, .sameID, .maybe)
    /// The message does not fit the state, such as an `ACK` before the terminal or a smaller credit total.
    public static let unexpected = ErrorCode(405, "unexpected", .fix, .never, .no)
    /// The id was used with another body.
    public static let idConflict = ErrorCode(409, "id_conflict", .fix, .newID, .no)
    /// The request ended, perhaps with a call that was paid for, and its terminal is gone.
    public static let gone = ErrorCode(410, "gone", .absent, .newID, .maybe)
    /// The message is larger than the limit.
    public static let tooLarge = ErrorCode(413, "too_large", .fix, .never, .no)
    /// Too many requests wait.
    public static let busy = ErrorCode(429, "busy", .busy, .sameID, .no)
    /// The tenant has as many open requests or body bytes as it may, or asks too often.
    public static let tenantLimit = ErrorCode(430, "tenant_limit", .busy, .sameID, .no)
    /// The verb or feature is not known here.
    public static let notImplemented = ErrorCode(501, "not_implemented", .fix, .never, .no)
    /// The broker is stopping.
    public static let stopping = ErrorCode(503, "stopping", .busy, .sameID, .no)
    /// The version in F0 is not spoken here.
    public static let version = ErrorCode(505, "version", .fix, .never, .no)
    /// The store is full.
    public static let storeFull = ErrorCode(507, "store_full", .busy, .sameID, .no)

    /// The code of a failed request.
    public init(_ failure: FailureClass) {
        switch failure {
        case .cancelled: self.init(499, failure.rawValue, .ended, .newID, .maybe)
        case .deadline: self.init(504, failure.rawValue, .expired, .newID, .maybe)
        case .workerLost: self.init(520, failure.rawValue, .lost, .newID, .maybe)
        case .poison: self.init(521, failure.rawValue, .lost, .never, .maybe)
        case .shuttingDown: self.init(522, failure.rawValue, .lost, .newID, .maybe)
        case .rateLimited: self.init(601, failure.rawValue, .provider, .newID, .no)
        case .quotaExhausted: self.init(602, failure.rawValue, .auth, .never, .no)
        case .overloaded: self.init(603, failure.rawValue, .provider, .newID, .no)
        case .serverError: self.init(604, failure.rawValue, .provider, .newID, .maybe)
        case .badGateway: self.init(605, failure.rawValue, .provider, .newID, .maybe)
        case .timeout: self.init(606, failure.rawValue, .provider, .newID, .maybe)
        case .auth: self.init(607, failure.rawValue, .auth, .never, .no)
        case .permission: self.init(608, failure.rawValue, .auth, .never, .no)
        case .notFound: self.init(609, failure.rawValue, .fix, .never, .no)
        case .invalidRequest: self.init(610, failure.rawValue, .fix, .never, .no)
        case .contextLength: self.init(611, failure.rawValue, .fix, .never, .no)
        case .contentPolicy: self.init(612, failure.rawValue, .fix, .never, .maybe)
        case .billing: self.init(613, failure.rawValue, .auth, .never, .no)
        case .connection: self.init(614, failure.rawValue, .provider, .newID, .maybe)
        case .malformedResponse: self.init(615, failure.rawValue, .provider, .newID, .maybe)
        case .localTimeout: self.init(616, failure.rawValue, .provider, .newID, .maybe)
        case .noKey: self.init(617, failure.rawValue, .auth, .never, .no)
        case .unknownModel: self.init(618, failure.rawValue, .fix, .never, .no)
        }
    }

    /// The entry with this number; nil when the registry has none.
    public init?(number: Int) {
        guard let found = Self.byNumber[number] else { return nil }
        self = found
    }

    /// The code that a header names: the registry's entry, or for a number that is not in it what the header says.
    ///
    /// A newer broker may use newer codes; the advice comes with them.
    init(number: Int, symbol: String, retry: Retry, billed: Billed) {
        if let known = ErrorCode(number: number), known.symbol == symbol {
            self = known
        } else {
            self.init(number, symbol, retry == .sameID ? .busy : .fix, retry, billed)
        }
    }

    private static let byNumber = Dictionary(uniqueKeysWithValues: all.map { ($0.number, $0) })

    /// Every entry, in rising order of numbers.
    public static let all: [ErrorCode] =
        ([
            malformed, routingID, unknownRequest, unexpected, idConflict, gone, tooLarge, busy, tenantLimit,
            notImplemented, stopping, version, storeFull,
        ] + FailureClass.allCases.map(ErrorCode.init)).sorted { $0.number < $1.number }
}
