import BusProtocol
import CoreTypes

/// A worker with a session. A class so that jobs can point at it; it never leaves the dispatcher.
final class WorkerRecord {
    let connection: ConnectionID
    let name: String
    /// As the socket tells; nil when it cannot tell, and then only the lease decides.
    let pid: Int32?
    let capacity: Int
    let session: SessionToken
    let readyAt: Moment

    /// `JOB`s the worker agreed to in this session, and `JOB`s sent.
    var grantedTotal: UInt64 = 0
    var sentTotal: UInt64 = 0
    /// Delivery number of each job the worker has, as far as the broker knows; also those whose request has ended.
    var held: [JobNumber: UInt32] = [:]
    var leaseUntil: Moment
    var isDisconnected = false
    var isProcessGone = false
    /// Set while what the dead worker had sent is being received.
    var isDraining = false
    /// The worker takes no new work.
    var isQuiet = false
    /// The worker gave something back for want of room; until its next `CREDIT` or the next beat it gets nothing.
    var isFull = false

    init(
        connection: ConnectionID,
        ready: WorkerReady,
        pid: Int32?,
        session: SessionToken,
        now: Moment,
        lease: Duration
    ) {
        self.connection = connection
        name = ready.name
        self.pid = pid
        capacity = ready.capacity
        self.session = session
        readyAt = now
        leaseUntil = now.advanced(by: lease)
    }

    /// Whether both sessions are known to be of one worker.
    func isSameProcess(as other: WorkerRecord) -> Bool { pid != nil && pid == other.pid && name == other.name }

    /// Whether somebody may be there to read what is sent.
    var isReachable: Bool { !isDisconnected && !isProcessGone }

    /// How many more jobs the worker takes: never more than its capacity leaves, whatever it granted.
    var credit: Int {
        guard isReachable, !isQuiet, !isFull else { return 0 }
        return Int(clamping: min(grantedTotal - sentTotal, UInt64(max(0, capacity - held.count))))
    }

    /// Share of its capacity that the worker is ready for, in 0 ... 1: `share` at once and as much more each second.
    func warmth(now: Moment, share: Double) -> Double {
        let age = Double(readyAt.duration(to: now).wholeMilliseconds) / 1000
        return min(1, share + share * max(0, age))
    }
}
