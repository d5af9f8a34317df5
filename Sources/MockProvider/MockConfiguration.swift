/// Where a mock provider listens and what it plays.
public struct MockConfiguration: Sendable {
    /// Numeric IPv4 or IPv6 address to listen on, or `localhost` (127.0.0.1).
    public var host: String

    /// TCP port; 0 lets the system choose one, see ``MockProvider/port``.
    public var port: UInt16

    /// What the provider does with each call.
    public var script: MockScript

    /// Recorded exchanges to answer with; nil for none.
    public var recording: MockRecording?

    /// How long a connection may send nothing while no call of it is open, 2 minutes unless told; nil for ever.
    ///
    /// Then it is closed, as servers do, up to a quarter of that time late; one in the middle of a request is answered
    /// with 408 first.
    public var idleTimeout: Duration?

    /// How many request ids are counted one by one, 2,000,000 unless told; about 150 bytes each.
    ///
    /// The calls of further ids are counted in all totals but not by id, and each is taken for the first of its id.
    public var countedIDsMax: Int

    /// Makes a configuration: any free port of the loopback interface and no script, unless told.
    public init(
        host: String = "127.0.0.1",
        port: UInt16 = 0,
        script: MockScript = MockScript(),
        recording: MockRecording? = nil,
        idleTimeout: Duration? = .seconds(120),
        countedIDsMax: Int = 2_000_000
    ) {
        self.host = host
        self.port = port
        self.script = script
        self.recording = recording
        self.idleTimeout = idleTimeout
        self.countedIDsMax = countedIDsMax
    }
}
