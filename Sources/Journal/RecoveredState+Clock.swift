import BusProtocol
import CoreTypes

extension RecoveredState {
    /// The state with times that a clock which shows `now`, in Unix milliseconds, can have written.
    ///
    /// Times ahead of that were written under a clock that has been set back since. How much time passed is unknown then
    /// and counts as none: nothing lives longer from now on than it may when it is new.
    ///
    /// - Parameter dedup: How long a tombstone is remembered.
    public func withoutFuture(now: Int64, dedup: Duration) -> RecoveredState {
        var state = self
        for index in state.jobs.indices { state.jobs[index].clamp(now: now) }
        let untilMax = now + dedup.wholeMilliseconds
        for index in state.tombstones.indices {
            state.tombstones[index].rememberedUntil = min(state.tombstones[index].rememberedUntil, untilMax)
        }
        return state
    }
}

extension RecoveredJob {
    fileprivate mutating func clamp(now: Int64) {
        acceptedAt = min(acceptedAt, now)
        expiresAt = min(expiresAt, acceptedAt + header.deadline.wholeMilliseconds)
        if let endedAt = ending?.endedAt { ending?.endedAt = min(endedAt, now) }
    }
}
