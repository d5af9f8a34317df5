public import Configuration
public import ZeroMQ

/// What one worker is told.
public struct WorkerOptions: Sendable {
    /// The worker's name for people; 1 to 128 bytes.
    public var name: String
    /// Where the broker's sockets are.
    public var directory: EndpointDirectory
    /// Most requests at once, and most connections to one host. 1 to 100,000.
    public var capacity: Int
    /// How long a worker that was told to stop may finish what it has.
    public var drain: Duration
    /// Silence of the broker after which a session is opened anew, until the broker's `WELCOME` says otherwise.
    public var lease: Duration
    /// PEM file of the certificates to trust; nil for the system's.
    public var caFile: String?
    /// What configuration and keys decide about calls.
    public var rules: CallRules

    /// Takes everything but name, directory and keys from `settings`.
    public init(name: String, directory: EndpointDirectory, settings: Settings, keys: KeyRing) {
        self.name = name
        self.directory = directory
        capacity = settings.bus.workerCapacity
        drain = settings.bus.drain
        lease = settings.bus.lease
        rules = CallRules(settings: settings, keys: keys)
    }
}

/// Why a worker could not be started, or ended by itself.
public struct WorkerError: Error, Sendable, CustomStringConvertible {
    /// What went wrong; more codes may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case directory, socket, transport }

        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// The directory of the sockets cannot be used.
        public static var directory: Self { Self(.directory) }
        /// The socket could not be made or watched, or failed later. The system is out of something.
        public static var socket: Self { Self(.socket) }
        /// libcurl did not start.
        public static var transport: Self { Self(.transport) }

        /// A bounded word, fit for a metric label.
        public var description: String { kind.rawValue }
    }

    /// What went wrong.
    public var code: Code
    /// The values that mattered.
    public var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code): \(message)" }
}
