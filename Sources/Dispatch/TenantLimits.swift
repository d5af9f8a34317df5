/// What one tenant may ask of the broker; nil is no limit but the broker's own.
public struct TenantLimits: Hashable, Sendable {
    /// How often a tenant may ask.
    public struct Rate: Hashable, Sendable {
        /// Requests per second in the long run; 0.001...1,000,000.
        public var requestsPerSecond: Double
        /// Requests at once after a silence; 1...1,000,000.
        public var burst: Int

        /// Makes a rate; both numbers are brought into their range.
        public init(requestsPerSecond: Double, burst: Int) {
            self.requestsPerSecond = min(max(requestsPerSecond, 0.001), 1_000_000)
            self.burst = min(max(burst, 1), 1_000_000)
        }
    }

    /// Most requests without a terminal.
    public var openRequestsMax: Int?
    /// Most body bytes of requests without a terminal: those that wait, and those that a worker has.
    public var openBytesMax: Int?
    /// How often it may ask.
    public var rate: Rate?

    /// Makes limits.
    public init(openRequestsMax: Int? = nil, openBytesMax: Int? = nil, rate: Rate? = nil) {
        self.openRequestsMax = openRequestsMax
        self.openBytesMax = openBytesMax
        self.rate = rate
    }
}
