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

    private enum Phase: Hashable {
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
    private(set) var due: Moment

    /// Whose request it is.
    enum Origin: Hashable {
        /// The caller's, which sends it.
        case own
        /// Sent elsewhere; cancelled by its follower only if so said.
        case attached(cancels: Bool)
    }

    private let header: RequestHeader
    private let origin: Origin
    private let acknowledges: Bool
    private let expiry: Moment
    private var phase = Phase.offering(isSent: false)
    private var watch: ReachabilityWatch
    private var offers = 0
    /// Offers that were made and have not turned out to be impossible.
    private var offersSent = 0
    private var offeredAt = Moment.zero
    private var pauses = 0
    private var wasBlocked = false
    private var rejection: BusError?

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

    private var isAwaited: Bool {
        switch phase {
        case .offering, .pausing, .following: true
        case .cancelling, .over: false
        }
    }

    // MARK: Sending

    /// Sends `REQUEST` with what is left of the deadline.
    private mutating func offer(_ now: Moment) -> [Effect] {
        let left = now.duration(to: expiry)
        guard left > .zero else { return expired() }
        phase = .offering(isSent: true)
        offeredAt = now
        offers += 1
        offersSent += 1
        let interval = min(Self.offerIntervalMax, Self.offerInterval * (1 << min(offers - 1, 10)))
        due = min(expiry, now.advanced(by: interval))
        return [.offer(deadline: max(left, Limits.deadline.lowerBound))]
    }

    private mutating func blocked(_ now: Moment) -> [Effect] {
        if case .offering(isSent: true) = phase {
            phase = .offering(isSent: false)
            offersSent -= 1
        }
        // The first look is at once, because nobody should wait long to hear of a wrong directory.
        due = wasBlocked ? now.advanced(by: Self.blockedInterval) : now
        wasBlocked = true
        return []
    }

    private mutating func connected(_ now: Moment) -> [Effect] {
        wasBlocked = false
        switch phase {
        case .offering(let isSent):
            // The news of a connection may come after what was sent on it; not more than once a second either way.
            let next = offeredAt.advanced(by: Self.offerPause)
            guard isSent, now < next else { return offer(now) }
            due = min(due, next)
            return []
        case .following: return get(now)
        case .cancelling(let sent): return cancelAgain(sent, now)
        case .pausing, .over: return []
        }
    }

    private mutating func get(_ now: Moment) -> [Effect] {
        due = now.advanced(by: Self.getInterval)
        if case .following(let until) = phase { due = min(due, until) }
        return [.get]
    }

    // MARK: Answers

    private mutating func accepted(_ now: Moment) {
        switch phase {
        case .offering, .pausing:
            phase = .following(until: max(now, expiry).advanced(by: Self.grace))
            due = now.advanced(by: Self.getInterval)
        case .following, .cancelling, .over:
            break
        }
    }

    private mutating func refused(_ error: BusError, _ now: Moment) -> [Effect] {
        switch phase {
        case .offering, .pausing:
            guard error.code.retry == .sameID else {
                return fail(ClientError(error.code == .gone ? .gone : .refused, error))
            }
            return pause(error, now)
        case .following:
            switch (error.code, error.code.retry) {
            case (.unknownRequest, _) where origin != .own:
                return fail(ClientError(error))
            case (.unknownRequest, _):
                // A broker that was started again. It may have been paid for; `on_loss` says whether that matters.
                guard header.onLoss == .retry else { return fail(ClientError(.lost, error)) }
                offers = 0
                return offer(now)
            case (.gone, _): return fail(ClientError(.gone, error))
            case (_, .sameID):
                // Too many wait for it already.
                if let wait = error.retryAfter { due = now.advanced(by: max(wait, .milliseconds(1))) }
                return []
            default: return fail(ClientError(.refused, error))
            }
        case .cancelling:
            phase = .over
            return [.forget]
        case .over:
            return []
        }
    }

    private mutating func pause(_ error: BusError, _ now: Moment) -> [Effect] {
        rejection = error
        phase = .pausing
        let own = min(Self.pauseMax, Self.pauseBase * (1 << min(pauses, 10)))
        pauses += 1
        due = now.advanced(by: max(error.retryAfter ?? own, .milliseconds(1)))
        return due < expiry ? [] : fail(ClientError(.rejected, error))
    }

    // MARK: Time

    private mutating func timer(_ reachability: Reachability, _ now: Moment) -> [Effect] {
        guard now >= due else { return [] }
        switch phase {
        case .offering(let isSent):
            if let error = watch.note(reachability, now: now) { return fail(error) }
            guard now < expiry else { return expired() }
            // Unsent, it goes when the connection stands; a try now does no harm.
            if !isSent { offers = max(0, offers - 1) }
            return offer(now)
        case .pausing:
            return offer(now)
        case .following(let until):
            if let error = watch.note(reachability, now: now) { return fail(error) }
            guard now < until else {
                let overdue =
                    origin == .own
                    ? "the broker accepted the request, but sent no terminal within its deadline"
                    : "the request had no terminal within \(header.deadline)"
                return fail(ClientError(.noAnswer, overdue))
            }
            return get(now)
        case .cancelling(let sent):
            return cancelAgain(sent, now)
        case .over:
            return []
        }
    }

    private mutating func expired() -> [Effect] {
        if let rejection { return fail(ClientError(.rejected, rejection)) }
        return fail(ClientError(.noAnswer, "the broker did not answer within the request's deadline"))
    }

    private mutating func fail(_ error: ClientError) -> [Effect] {
        phase = .over
        var error = error
        error.wasNeverSent = origin == .own && offersSent == 0
        return [.end(.failed(error)), .forget]
    }

    // MARK: Cancelling

    private mutating func cancelled(_ now: Moment) -> [Effect] {
        guard isAwaited else { return [] }
        let ending = Effect.end(.failed(ClientError(.cancelled, "the task that waited was cancelled")))
        let isKnown =
            switch phase {
            case .offering(let isSent): isSent || offers > 1
            case .following: origin != .attached(cancels: false)
            case .pausing, .cancelling, .over: false
            }
        guard isKnown else {
            phase = .over
            return [ending, .forget]
        }
        return [ending] + cancelAgain(0, now)
    }

    private mutating func cancelAgain(_ sent: Int, _ now: Moment) -> [Effect] {
        guard sent < Self.cancelCountMax else {
            phase = .over
            return [.forget]
        }
        phase = .cancelling(sent: sent + 1)
        due = now.advanced(by: Self.cancelInterval)
        return [.cancel]
    }
}
