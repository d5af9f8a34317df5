import CoreTypes
import ZeroMQ

/// Decides how long a client goes on without a broker.
struct ReachabilityWatch: Hashable {
    /// How long no broker may be there, as during its restart.
    let patience: Duration
    /// Path of the socket, for texts.
    let path: String
    private var absentSince: Moment?

    init(patience: Duration, path: String) {
        self.patience = patience
        self.path = path
    }

    /// Takes in how the socket looks; the error to give up with, or nil to go on.
    ///
    /// What waiting does not mend ends at once.
    mutating func note(_ reachability: Reachability, now: Moment) -> ClientError? {
        switch reachability {
        case .listening:
            absentSince = nil
            return nil
        case .missing, .nobodyListens, .failed:
            let since = absentSince ?? now
            absentSince = since
            return since.duration(to: now) >= patience ? ClientError(reachability, path: path) : nil
        case .noPermission, .notASocket, .pathTooLong:
            return ClientError(reachability, path: path)
        }
    }

    /// Something came from the broker.
    mutating func noteAnswer() { absentSince = nil }
}
