import BusProtocol

/// What one tenant may ask of the broker; nil is no limit but the broker's own.
public struct TenantSettings: Sendable, Hashable {
    /// How often a tenant may ask.
    public struct Rate: Sendable, Hashable {
        /// Requests per second in the long run. 0.001...1,000,000.
        public var requestsPerSecond: Double
        /// Requests at once after a silence. 1...1,000,000.
        public var burst: Int

        /// Makes a rate; without `burst` one second's worth, and at least one request, can be asked for at once.
        public init(requestsPerSecond: Double, burst: Int? = nil) {
            self.requestsPerSecond = requestsPerSecond
            self.burst = burst ?? max(1, Int(requestsPerSecond.rounded(.up)))
        }
    }

    /// Most requests without a terminal.
    public var openRequestsMax: Int?
    /// Most body bytes of requests without a terminal; at least as many as one request may have.
    public var openBytesMax: Int?
    /// How often it may ask.
    public var rate: Rate?

    static let openRequestsRange = BusSettings.openRequestsRange
    static let openBytesRange = Limits.bodyBytesMax...BusSettings.openBytesRange.upperBound
    static let rateRange = 0.001...1_000_000.0
    static let burstRange = 1...1_000_000

    /// Makes limits.
    public init(openRequestsMax: Int? = nil, openBytesMax: Int? = nil, rate: Rate? = nil) {
        self.openRequestsMax = openRequestsMax
        self.openBytesMax = openBytesMax
        self.rate = rate
    }
}
