import CoreTypes
public import EventLoop

/// Connects a socket to a broker's, and keeps it away from a directory that a stranger made. For the loop's thread.
///
/// Where ``EndpointDirectory/isFallback``, nothing is connected before the directory has passed
/// ``EndpointDirectory/check()``; one that does not exist yet is looked for until it does. After that libzmq connects
/// again by itself. Nobody else can take away what this user has in `/tmp`, but this user can, so ``confirm()`` is for
/// the owner to call when the monitor tells of a new connection. What is sent between libzmq's handshake and that call
/// goes out unchecked: a moment, and only after this user has removed the directory that had passed.
public final class BrokerConnector {
    /// How often a directory that does not exist yet is looked for.
    public static let lookInterval: Duration = .milliseconds(200)

    private let socket: Socket
    private let endpoint: String
    private let directory: EndpointDirectory
    private let loop: EventLoop
    private let onFailure: (any Error) -> Void
    private var timer: TimerID?

    /// Connects, or begins to look for the directory.
    ///
    /// - Parameters:
    ///   - name: Name of the broker's socket in `directory`.
    ///   - onFailure: Called once when a directory that came later is refused (``EndpointError``), or libzmq refuses to
    ///     connect (``ZeroMQError``); not called by this initializer.
    /// - Throws: ``EndpointError`` when the directory is there and not to be trusted, ``ZeroMQError``.
    public init(
        _ socket: Socket,
        to name: String,
        in directory: EndpointDirectory,
        on loop: EventLoop,
        onFailure: @escaping (any Error) -> Void
    ) throws {
        self.socket = socket
        self.directory = directory
        self.loop = loop
        self.onFailure = onFailure
        endpoint = try directory.endpoint(name)
        try look()
    }

    /// Checks the directory again where it has to be.
    ///
    /// - Throws: ``EndpointError``, also when the directory is gone.
    public func confirm() throws(EndpointError) {
        if directory.isFallback { try directory.check() }
    }

    /// Stops looking. Doing so twice is no error.
    public func cancel() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    private func look() throws {
        do throws(EndpointError) {
            try confirm()
        } catch {
            guard error.code == .missing else { throw error }
            timer = loop.schedule(at: loop.now().advanced(by: Self.lookInterval)) { [weak self] in self?.lookAgain() }
            return
        }
        try socket.connect(endpoint)
    }

    private func lookAgain() {
        timer = nil
        do {
            try look()
        } catch {
            onFailure(error)
        }
    }
}
