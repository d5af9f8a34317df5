import JSON
import SQLite

/// One change of the database that follows from an event: the statements and what is bound to them.
///
/// The statements are tried in order until one changes a row. All of them use the same numbered parameters, `?1` up to
/// the count of `values`.
struct RowChange: Hashable, Sendable {
    /// What is written.
    enum Kind: Int, CaseIterable, Sendable {
        case requestAccepted, requestMoved, requestRejected, requestEnded, requestLate
        case attempt, task, worker, snapshot, gap, progress
    }

    var kind: Kind
    var values: [Value]

    /// Where an event stands: its broker's epoch and its number within its class.
    struct Place: Hashable, Sendable {
        var epoch: UInt64
        var sequence: UInt64

        /// Both as SQLite keeps them; the ingest refuses numbers above `Int64.max`.
        var values: [Value] { [.integer(Int64(clamping: epoch)), .integer(Int64(clamping: sequence))] }
    }

    /// What an event changes; empty for the name of an event that is not known here.
    ///
    /// - Throws: When the event lacks a member it must have, or one has the wrong type.
    static func changes(for event: EventFields, at place: Place) throws(JSONError) -> [RowChange] {
        switch try event.requiredString("event") {
        case "request.accepted": try accepted(event, place)
        case "request.rejected": [try rejected(event, place)]
        case "request.ended": [try ended(event, place)]
        case "request.late": [try late(event, place)]
        case "attempt.ended": [try attempt(event, place)]
        case "task.ended": [try task(event, place)]
        case "worker.joined", "worker.left", "worker.lost", "delivery.lost": [try worker(event, place)]
        case "snapshot": [try snapshot(event, place)]
        default: []
        }
    }

    /// The statements of a kind, in the order they are tried.
    static func statements(_ kind: Kind) -> [String] {
        switch kind {
        case .requestAccepted: [acceptedSQL]
        case .requestMoved: [movedSQL]
        case .requestRejected: [rejectedSQL]
        case .requestEnded: [endedSQL, endedElsewhereSQL, endedAloneSQL]
        case .requestLate: [lateSQL]
        case .attempt: [attemptSQL]
        case .task: [taskSQL]
        case .worker: [workerSQL]
        case .snapshot: [snapshotSQL]
        case .gap: ["INSERT INTO gap (epoch, class, first, last, reason, time_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"]
        case .progress: [progressSQL]
        }
    }
}
