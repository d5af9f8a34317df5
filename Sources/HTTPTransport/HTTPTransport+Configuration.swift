extension HTTPTransport {
    /// The limits of a transport, and where it finds proxies and certificates.
    public struct Configuration: Sendable {
        /// Handles kept for reuse; a few kilobytes each.
        static let idleHandlesMax = 256

        /// Calls to one origin that may look up its name at once, each on a thread of libcurl's.
        static let lookupsPerHostMax = 128

        /// Most calls at once to one origin (scheme, host and port); more wait. With HTTP/1.1 each has a connection of
        /// its own. Default 1,000.
        public var connectionsPerHostMax: Int

        /// Most calls at once in all. Default 1,000.
        public var connectionsMax: Int

        /// Most connections that are open, idle ones included, before the oldest idle one is closed. Below
        /// ``connectionsMax`` connections are closed that would soon be needed again. Default 1,000.
        public var connectionCacheMax: Int

        /// Most calls that wait; one more fails with ``TransportError/Code/queueFull``. Default 10,000.
        public var waitingMax: Int

        /// Whether `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` are obeyed. Default true.
        public var proxyFromEnvironment: Bool

        /// PEM file of the trusted certificates; nil means the system's.
        public var caFile: String?

        /// Makes a configuration.
        public init(
            connectionsPerHostMax: Int = 1_000,
            connectionsMax: Int = 1_000,
            connectionCacheMax: Int = 1_000,
            waitingMax: Int = 10_000,
            proxyFromEnvironment: Bool = true,
            caFile: String? = nil
        ) {
            self.connectionsPerHostMax = connectionsPerHostMax
            self.connectionsMax = connectionsMax
            self.connectionCacheMax = connectionCacheMax
            self.waitingMax = waitingMax
            self.proxyFromEnvironment = proxyFromEnvironment
            self.caFile = caFile
        }

        /// Stops the process when a limit makes no sense.
        func check() {
            precondition(connectionsPerHostMax >= 1, "connectionsPerHostMax is \(connectionsPerHostMax), expected 1...")
            precondition(connectionsMax >= 1, "connectionsMax is \(connectionsMax), expected 1...")
            precondition(connectionCacheMax >= 1, "connectionCacheMax is \(connectionCacheMax), expected 1...")
            precondition(waitingMax >= 0, "waitingMax is \(waitingMax), expected 0...")
        }
    }
}
