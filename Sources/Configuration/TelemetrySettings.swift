/// Where `understudy collect` keeps what it hears, and for how long.
public struct TelemetrySettings: Sendable, Hashable {
    /// The SQLite database, an absolute path; nil for `telemetry.sqlite` in the directory of the sockets.
    public var database: String?
    /// How long events are kept. Default 90 days.
    public var retention: Duration = .seconds(90 * 86_400)

    static let retentionRange: ClosedRange<Duration> = .seconds(3600) ... .seconds(3650 * 86_400)

    /// The defaults.
    public init() {}

    /// The database's path when the sockets are in `directory`.
    public func databasePath(inDirectory directory: String) -> String {
        database ?? "\(directory)/telemetry.sqlite"
    }
}
