import BusProtocol
import CoreTypes
import Testing

@testable import Journal

@Suite struct RecoveredStateTests {
    private static let now: Int64 = 1_000_000

    private func job(acceptedAt: Int64, deadline: Int64, endedAt: Int64? = nil) -> RecoveredJob {
        var request = AcceptedRequest.sample(1)
        request.header.deadline = .milliseconds(deadline)
        request.acceptedAt = acceptedAt
        request.expiresAt = acceptedAt + deadline
        var job = RecoveredJob(request)
        job.ending = endedAt.map {
            RecoveredJob.Ending(terminal: StoredTerminal(.reply, header: Bytes("{}")), failureClass: nil, endedAt: $0)
        }
        return job
    }

    private func seen(_ job: RecoveredJob) -> RecoveredJob {
        RecoveredState(jobs: [job]).withoutFuture(now: Self.now, dedup: .seconds(60)).jobs[0]
    }

    @Test func whatThePastWroteStands() {
        let job = job(acceptedAt: Self.now - 500, deadline: 3000, endedAt: Self.now)
        #expect(seen(job) == job)
    }

    @Test func aRequestOfAClockThatWasAheadHasItsWholeDeadlineAndNoMore() {
        let job = seen(job(acceptedAt: Self.now + 86_400_000, deadline: 3000, endedAt: Self.now + 86_400_010))
        #expect(job.acceptedAt == Self.now)
        #expect(job.expiresAt == Self.now + 3000)
        #expect(job.ending?.endedAt == Self.now)
    }

    @Test func aTombstoneOfAClockThatWasAheadIsKeptForTheDedupTime() {
        let buried = [Self.now + 5, Self.now + 86_400_000].map {
            RecoveredTombstone(
                number: JobNumber(1),
                key: AcceptedRequest.sample(1).key,
                bodyHash: BodyHash(1, 2, 3, 4),
                rememberedUntil: $0
            )
        }
        let state = RecoveredState(tombstones: buried).withoutFuture(now: Self.now, dedup: .seconds(60))
        #expect(state.tombstones.map(\.rememberedUntil) == [Self.now + 5, Self.now + 60_000])
    }
}
