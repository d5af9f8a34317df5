import BusProtocol
import CoreTypes
import JSON
import Telemetry

/// Events as lines for programs: one JSON object each.
enum TailJSON {
    /// `{"topic":…,"epoch":…,"seq":…,"event":{…}}` and a line end.
    static func line(_ frames: TelemetryFrames) -> [UInt8] {
        var json = JSONWriter(reserving: 128 + frames.json.count)
        json.beginObject()
        let topic = TelemetryFrames.topic(frames.eventClass, tenant: frames.tenant)
        json.member("topic", String(decoding: topic, as: UTF8.self))
        json.member("epoch", frames.epoch)
        json.member("seq", frames.sequence)
        // In JSON a line end can only stand where a blank may.
        json.member("event", raw: frames.json.array.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 })
        json.endObject()
        return json.finished() + [0x0A]
    }

    /// `{"gap":"request","epoch":…,"first":…,"last":…,"missed":…}` or `{"restart":true,"epoch":…,"epoch_before":…}`.
    static func line(_ finding: SequenceWatch.Finding) -> [UInt8] {
        var json = JSONWriter(reserving: 128)
        json.beginObject()
        switch finding {
        case .gap(let eventClass, let epoch, let first, let last):
            json.member("gap", eventClass.rawValue)
            json.member("epoch", epoch)
            json.member("first", first)
            json.member("last", last)
            json.member("missed", last - first + 1)
        case .restart(let epoch, let before):
            json.member("restart", true)
            json.member("epoch", epoch)
            json.member("epoch_before", before)
        }
        json.endObject()
        return json.finished() + [0x0A]
    }
}
