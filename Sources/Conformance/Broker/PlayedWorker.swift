import BusProtocol

/// A worker that the tester plays.
final class PlayedWorker {
    static let lane = #"{"provider":"conform","model":"none","key":"NONE"}"#

    let peer: Peer
    let name: String
    let capacity: Int
    var welcome: WorkerWelcome?
    /// False for one that says nothing more by itself.
    var isAlive = true
    var nextBeat = ContinuousClock.now
    /// Beats of the broker: what they say and when they came.
    var beats: [(state: String, time: ContinuousClock.Instant)] = []

    init(_ peer: Peer, name: String, capacity: Int) {
        self.peer = peer
        self.name = name
        self.capacity = capacity
    }
}

/// A `JOB` that a played worker got.
struct PlayedJob {
    let key: DeliveryKey
    let header: JobHeader
    let body: [[UInt8]]
}
