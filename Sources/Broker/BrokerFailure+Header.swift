import BusProtocol
import CoreTypes
import Dispatch
import JSON
import Journal

extension BrokerFailure {
    /// The terminal as agents get it, with a `meta` of what the broker knows.
    var terminal: StoredTerminal {
        var meta = JSONWriter(reserving: 256)
        meta.beginObject()
        meta.key("resolved_model")
        meta.null()
        meta.member("attempts", Int(attempts))
        meta.member("retries", 0)
        meta.member("fallbacks", 0)
        meta.member("total_attempts", Int(attempts))
        meta.member("deliveries", Int(deliveries))
        meta.member("waited_ms", waited.wholeMilliseconds)
        meta.member("duration_ms", duration.wholeMilliseconds)
        meta.key("trail")
        meta.beginArray()
        for delivery in lost {
            meta.beginObject()
            meta.member("lost_delivery", Int(delivery.delivery))
            if delivery.attempt > 0 { meta.member("attempt", Int(delivery.attempt)) }
            meta.member("held_ms", delivery.held.wholeMilliseconds)
            meta.endObject()
        }
        meta.endArray()
        meta.endObject()
        // Without a GO no provider was called.
        let header = FailureHeader(
            reason,
            message: message,
            billed: attempts == 0 ? .no : nil,
            meta: Bytes(meta.finished())
        )
        return StoredTerminal(.failure, header: Bytes(header.encoded))
    }
}
