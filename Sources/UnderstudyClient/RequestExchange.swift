import BusProtocol
import CoreTypes
import ZeroMQ

/// One request between a client and the broker: when to send what, and when to give up. Does nothing itself.
///
/// `REQUEST` is sent again on silence until the broker says `ACCEPTED`, which the same id makes harmless. From there on
/// silence is normal; `GET` by id now and then, and after each reconnection, attaches to the terminal again. The
/// terminal is acknowledged at once, unless the caller does that.
///
/// A request that somebody else sent is only asked for: it cannot be sent again.
struct RequestExchange {
    /// What happened.
    enum Input {
        /// The message that was to be sent could not be: there is no connection.
        case blocked
        /// A connection is ready, the first or another one.
        case connected
        /// `ACCEPTED`.
        case accepted
        /// `REJECTED`.
        case rejected(BusError)
        /// `STATE`.
        case state
        /// `REPLY` or `FAILURE`; its content stays outside.
        case terminal
        /// `ERROR` with this id.
        case error(BusError)
        /// The moment ``due`` has come, and the broker's socket looks like this.
        case due(Reachability)
        /// Nobody waits for the outcome any more.
        case cancel
    }

    /// What to do.
    enum Effect: Hashable {
        /// Send `REQUEST` with this deadline.
        case offer(deadline: Duration)
        case get
        case cancel
        case acknowledge
        /// Tell the caller; comes once.
        case end(Ending)
        /// Nothing follows, and nothing more must be put in. Comes once, last.
        case forget
    }

    /// What the caller is told.
    enum Ending: Hashable {
        /// The outcome in the terminal that was just put in.
        case terminal
        case failed(ClientError)
    }

    enum Phase: Hashable {
        /// `REQUEST` was or will be sent. To pausing, following, cancelling, over.
        case offering(isSent: Bool)
        /// The broker has no room now. To offering, following, cancelling, over.
        case pausing
        /// The broker has accepted. To offering (it no longer knows the id), cancelling, over.
        case following(until: Moment)
        /// The caller was told; `CANCEL` was sent so many times. To over.
        case cancelling(sent: Int)
        case over
    }

    /// First silence after which `REQUEST` is sent again; doubles.
    static let offerInterval: Duration = .seconds(2)
    static let offerIntervalMax: Duration = .seconds(16)
    /// Least time between two `REQUEST`s.
    static let offerPause: Duration = .seconds(1)
    /// Wait before the socket is looked at again while there is no connection.
    static let blockedInterval: Duration = .milliseconds(250)
    /// Silence after which an accepted request is asked for.
    static let getInterval: Duration = .seconds(15)
    /// How long after the deadline the broker's `FAILURE` is still waited for.
    static let grace: Duration = .seconds(10)
    /// Wait after a `REJECTED` that names none; doubles.
    static let pauseBase: Duration = .milliseconds(500)
    static let pauseMax: Duration = .seconds(8)
    static let cancelInterval: Duration = .seconds(2)
    static let cancelCountMax = 3

    /// When ``Input/due(_:)`` is to be put in.
    var due: Moment

    /// Whose request it is.
    enum Origin: Hashable {
        /// The caller's, which sends it.
        case own
        /// Sent elsewhere; cancelled by its follower only if so said.
        case attached(cancels: Bool)
    }

    let header: RequestHeader
    let origin: Origin
    private let acknowledges: Bool
    let expiry: Moment
    var phase = Phase.offering(isSent: false)
    var watch: ReachabilityWatch
    var offers = 0
    /// Offers that were made and have not turned out to be impossible.
    var offersSent = 0
    var offeredAt = Moment.zero
    var pauses = 0
    var wasBlocked = false
    var rejection: BusError?

    /// Makes an exchange; ``begin(now:)`` is next.
    ///
    /// - Parameters:
    ///   - header: Of the request; of one that was sent elsewhere only the deadline counts, as the time to wait.
    ///   - acknowledges: Whether the terminal is acknowledged as soon as it is here.
    init(
        header: RequestHeader,
        origin: Origin = .own,
        acknowledges: Bool = true,
        watch: ReachabilityWatch,
        now: Moment
    ) {
        self.header = header
        self.origin = origin
        self.acknowledges = acknowledges
        self.watch = watch
        expiry = now.advanced(by: header.deadline)
        due = now
        if origin != .own { phase = .following(until: expiry) }
    }

    /// The effects that begin it.
    mutating func begin(now: Moment) -> [Effect] { origin == .own ? offer(now) : get(now) }

    /// Takes in what happened and says what to do, in this order.
    mutating func handle(_ input: Input, now: Moment) -> [Effect] {
        switch input {
        case .blocked: return blocked(now)
        case .connected: return connected(now)
        case .due(let reachability): return timer(reachability, now)
        case .cancel: return cancelled(now)
        case .accepted:
            watch.noteAnswer()
            accepted(now)
            return []
        case .state:
            watch.noteAnswer()
            if case .following = phase { due = now.advanced(by: Self.getInterval) }
            return []
        case .rejected(let error), .error(let error):
            watch.noteAnswer()
            return refused(error, now)
        case .terminal:
            let wasAwaited = isAwaited
            phase = .over
            guard wasAwaited else { return [.acknowledge, .forget] }
            return acknowledges ? [.acknowledge, .end(.terminal), .forget] : [.end(.terminal), .forget]
        }
    }

    var isAwaited: Bool {
        switch phase {
        case .offering, .pausing, .following: true
        case .cancelling, .over: false
        }
    }
}
