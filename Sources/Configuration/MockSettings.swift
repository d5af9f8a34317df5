/// Where `understudy mock` listens and what it plays.
public struct MockSettings: Sendable, Hashable {
    /// Numeric address, or `localhost`. Default 127.0.0.1.
    public var host = "127.0.0.1"
    /// TCP port; 0, the default, for any free one.
    public var port: UInt16 = 0
    /// The script file, an absolute path; nil to play each model by its name.
    public var script: String?
    /// The recording to answer with, the absolute path of a file or directory; nil for none.
    public var replay: String?
    /// How long a connection may send nothing before it is closed; zero for ever. Default 2 minutes.
    public var idleTimeout = Duration.seconds(120)

    /// What ``idleTimeout`` may be.
    public static let idleTimeoutRange = Duration.zero ... .seconds(86_400)

    /// The defaults.
    public init() {}
}
