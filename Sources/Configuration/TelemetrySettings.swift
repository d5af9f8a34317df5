/// Where `understudy collect` keeps what it hears, and for how long.
public struct TelemetrySettings: Sendable, Hashable {
    /// The SQLite database, an absolute path; nil for `telemetry.sqlite` in the directory of the sockets.
    public var database: String?
    /// How long events are kept. 1...3650 days, default 400 days: a year and the month to compare it with.
    public var retention: Duration = .seconds(400 * 86_400)
    /// Most rows that each table keeps. Default 5,000,000.
    public var rowsMax = 5_000_000

    static let retentionRange: ClosedRange<Duration> = .seconds(86_400) ... .seconds(3650 * 86_400)
    static let rowsRange = 1000...1_000_000_000

    /// The defaults.
    public init() {}

    /// ``retention`` in whole days, rounded up.
    public var retentionDays: Int {
        let (seconds, attoseconds) = retention.components
        return Int((seconds + (attoseconds > 0 ? 1 : 0) + 86_399) / 86_400)
    }

    /// The database's path when the sockets are in `directory`.
    public func databasePath(inDirectory directory: String) -> String {
        database ?? "\(directory)/telemetry.sqlite"
    }
}
