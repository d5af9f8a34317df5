import CCurl

extension HTTPTransport {
    /// The limits of a transport, and where it finds proxies and certificates.
    public struct Configuration: Sendable {
        /// Handles kept for reuse; a few kilobytes each.
        static let idleHandlesMax = 256

        /// Most calls in one pool, while ``poolsMax`` pools are enough; see ``PoolChoice``.
        var callsPerPoolMax = 500

        /// Most pools. Each reads the trusted certificates for its first call over TLS, and again after it was closed, which
        /// takes 30 ms and 1 MB.
        var poolsMax = 16

        /// How long a pool without calls keeps its connections: a little longer than they can be used again.
        var idlePoolTime = Duration.seconds(EasyHandle.idleConnectionSecondsMax + 5)

        /// Most calls at once to one origin (scheme, host and port); more wait. With HTTP/1.1 each has a connection of
        /// its own. Default 1,000.
        public var connectionsPerHostMax: Int

        /// Most calls at once in all, and most connections that are kept, about. Default 1,000.
        public var connectionsMax: Int

        /// Most calls that wait; one more fails with ``TransportError/Code/queueFull``. Default 10,000.
        public var waitingMax: Int

        /// Whether `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` are obeyed. Default true.
        public var proxyFromEnvironment: Bool

        /// Whether HTTP/2 is offered to servers over TLS. Default ``isHTTP2Safe``.
        public var offersHTTP2: Bool

        /// PEM file of the trusted certificates; nil means the system's.
        public var caFile: String?

        /// Makes a configuration.
        public init(
            connectionsPerHostMax: Int = 1_000,
            connectionsMax: Int = 1_000,
            waitingMax: Int = 10_000,
            proxyFromEnvironment: Bool = true,
            offersHTTP2: Bool = Self.isHTTP2Safe,
            caFile: String? = nil
        ) {
            self.connectionsPerHostMax = connectionsPerHostMax
            self.connectionsMax = connectionsMax
            self.waitingMax = waitingMax
            self.proxyFromEnvironment = proxyFromEnvironment
            self.offersHTTP2 = offersHTTP2
            self.caFile = caFile
        }

        /// Most connections that fit into `fileLimit` descriptors: a part is left to name lookups, to servers that are tried
        /// on two addresses at once, and to all else of the process.
        public static func connectionsMax(fileLimit: Int) -> Int { max(1, fileLimit - min(640, fileLimit / 3)) }

        /// Calls to one origin that may look up its name at once, each on a thread of libcurl's and with up to four
        /// descriptors.
        var lookupsPerHostMax: Int { min(128, max(16, connectionsMax / 16)) }

        /// Connections in each of as few pools of equal size as will do for ``connectionsMax`` calls.
        var connectionsPerPoolMax: Int {
            let pools = min(poolsMax, 1 + (connectionsMax - 1) / callsPerPoolMax)
            return 1 + (connectionsMax - 1) / pools
        }

        /// Whether this libcurl keeps the answers of calls apart when some connections to a server speak HTTP/2 and some
        /// HTTP/1.1, as during a server's upgrade.
        ///
        /// Before 8.11 it notes for all connections to a server together, not for each, that they can be shared. It then
        /// sends several requests on one HTTP/1.1 connection and gives a call the answer of another (curl's issue 4885;
        /// seen with 7.88). It also never gives up a shared connection on which nothing comes back any more, and stalls on
        /// heads of more than 16 KiB.
        public static let isHTTP2Safe: Bool = {
            guard let facts = unsafe curl_version_info(CURLVERSION_SEVENTH) else { return false }
            return unsafe facts.pointee.version_num >= 0x08_0B_00
        }()

        /// Stops the process when a limit makes no sense.
        func check() {
            precondition(connectionsPerHostMax >= 1, "connectionsPerHostMax is \(connectionsPerHostMax), expected 1...")
            precondition(connectionsMax >= 1, "connectionsMax is \(connectionsMax), expected 1...")
            precondition(waitingMax >= 0, "waitingMax is \(waitingMax), expected 0...")
        }
    }
}
