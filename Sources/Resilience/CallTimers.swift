/// The limits of time of one attempt. The shell that makes the call keeps them.
public struct CallTimers: Sendable, Hashable {
    /// Until the connection stands. Running out is a `connection` failure and may be retried. Default 5 s.
    public var connect: Duration
    /// From the sent request to the first token of a stream. Default 60 s. Not for calls without streaming.
    public var firstToken: Duration
    /// Between two pieces of a stream. Default 90 s. Not for calls without streaming.
    public var silence: Duration
    /// The whole attempt. Default 600 s, the article's `llm_timeout`.
    public var attempt: Duration

    /// Makes the timers; the defaults are those of the design, section 4.
    public init(
        connect: Duration = .seconds(5),
        firstToken: Duration = .seconds(60),
        silence: Duration = .seconds(90),
        attempt: Duration = .seconds(600)
    ) {
        self.connect = connect
        self.firstToken = firstToken
        self.silence = silence
        self.attempt = attempt
    }

    /// The same timers, none longer than `limit`.
    public func clamped(to limit: Duration) -> CallTimers {
        CallTimers(
            connect: min(connect, limit),
            firstToken: min(firstToken, limit),
            silence: min(silence, limit),
            attempt: min(attempt, limit)
        )
    }
}
