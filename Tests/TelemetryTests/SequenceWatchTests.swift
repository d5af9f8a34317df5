import BusProtocol
import CoreTypes
import Telemetry
import Testing

@Suite struct SequenceWatchTests {
    private func event(
        _ eventClass: EventClass,
        _ sequence: UInt64,
        epoch: UInt64 = 1,
        json: String = "{}"
    ) -> TelemetryFrames {
        TelemetryFrames(eventClass, tenant: nil, epoch: epoch, sequence: sequence, json: Bytes(json))
    }

    private func snapshot(_ sequence: UInt64, epoch: UInt64 = 1, request: Int, worker: Int = 0) -> TelemetryFrames {
        let json = #"{"event":"snapshot","seqs":{"request":\#(request),"worker":\#(worker),"later":5}}"#
        return event(.snapshot, sequence, epoch: epoch, json: json)
    }

    @Test func theFirstEventOfAClassIsWhereCountingBegins() {
        var watch = SequenceWatch()
        #expect(watch.take(event(.request, 500)) == [])
        #expect(watch.take(event(.worker, 7)) == [])
        #expect(watch.take(event(.request, 501)) == [])
    }

    @Test func aNumberThatJumpsIsAGapOfItsClass() {
        var watch = SequenceWatch()
        _ = watch.take(event(.request, 5))
        #expect(watch.take(event(.request, 9)) == [.gap(.request, epoch: 1, first: 6, last: 8)])
        #expect(watch.take(event(.request, 10)) == [])
        // What came before is no news.
        #expect(watch.take(event(.request, 9)) == [])
    }

    @Test func aSnapshotTellsWhatIsMissingAtTheEnd() {
        var watch = SequenceWatch()
        #expect(watch.take(snapshot(3, request: 10, worker: 2)) == [])
        #expect(watch.take(event(.request, 11)) == [])
        #expect(
            watch.take(snapshot(4, request: 13, worker: 3)) == [
                .gap(.request, epoch: 1, first: 12, last: 13), .gap(.worker, epoch: 1, first: 3, last: 3),
            ]
        )
        #expect(watch.take(snapshot(6, request: 13, worker: 3)) == [.gap(.snapshot, epoch: 1, first: 5, last: 5)])
    }

    @Test func aLaterEpochIsARestartAfterWhichCountingBeginsAnew() {
        var watch = SequenceWatch()
        _ = watch.take(event(.request, 40))
        _ = watch.take(snapshot(8, request: 40))
        // The broker published a snapshot as soon as it ran, before there was a connection.
        #expect(watch.take(snapshot(2, epoch: 2, request: 2, worker: 5)) == [.restart(epoch: 2, before: 1)])
        #expect(watch.take(event(.request, 3, epoch: 2)) == [])
        #expect(watch.take(event(.worker, 6, epoch: 2)) == [])
        #expect(watch.take(event(.worker, 8, epoch: 2)) == [.gap(.worker, epoch: 2, first: 7, last: 7)])
        // The last words of the former broker.
        #expect(watch.take(event(.request, 90, epoch: 1)) == [])
        #expect(watch.take(event(.request, 4, epoch: 2)) == [])
    }

    @Test func classesThatAreNotSubscribedToHaveNoGaps() {
        var watch = SequenceWatch([.worker, .snapshot])
        _ = watch.take(snapshot(1, request: 1, worker: 1))
        #expect(watch.take(snapshot(2, request: 100, worker: 1)) == [])
        #expect(watch.take(snapshot(1, epoch: 2, request: 50)) == [.restart(epoch: 2, before: 1)])
    }

    @Test(arguments: ["", "null", "[]", #"{"seqs":5}"#, #"{"seqs":{"request":-1}}"#, #"{"seqs":{"request":"x"}}"#])
    func aSnapshotThatCannotBeReadCountsForItselfOnly(json: String) {
        var watch = SequenceWatch()
        _ = watch.take(event(.snapshot, 1, json: json))
        #expect(watch.take(event(.snapshot, 3, json: json)) == [.gap(.snapshot, epoch: 1, first: 2, last: 2)])
    }
}
