/// Where `understudy mock` listens and what it plays.
public struct MockSettings: Sendable, Hashable {
    /// Numeric address, or `localhost`. Default 127.0.0.1.
    public var host = "127.0.0.1"
    /// TCP port; 0, the default, for any free one.
    public var port: UInt16 = 0
    /// The script file, an absolute path; nil to play each model by its name.
    public var script: String?

    /// The defaults.
    public init() {}
}
