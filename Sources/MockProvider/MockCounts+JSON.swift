import JSON

extension MockCounts {
    /// The answer of `GET /_mock/counts`; without the counts per request id unless `withRequests`.
    func json(withRequests: Bool) -> [UInt8] {
        var writer = JSONWriter(reserving: 256 + requests.count * 48)
        writer.beginObject()
        writer.member("total", total)
        if withRequests { Self.write(requests, "requests", to: &writer) }
        Self.write(models, "models", to: &writer)
        Self.write(statuses, "statuses", to: &writer)
        writer.member("aborted", aborted)
        writer.member("without_id", withoutID)
        writer.member("uncounted_ids", uncountedIDs)
        writer.endObject()
        return writer.bytes
    }

    /// The answer of `GET /_mock/counts?id=…`.
    static func json(id: String, calls: Int, models: [String: Int]) -> [UInt8] {
        var writer = JSONWriter(reserving: 256)
        writer.beginObject()
        writer.member("id", id)
        writer.member("calls", calls)
        write(models, "models", to: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// Writes counts sorted by name when they are few; millions of ids come as they lie.
    private static func write(_ counts: [String: Int], _ key: String, to writer: inout JSONWriter) {
        writer.key(key)
        writer.beginObject()
        if counts.count <= 10_000 {
            for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
                writer.member(name, count)
            }
        } else {
            for (name, count) in counts {
                writer.member(name, count)
            }
        }
        writer.endObject()
    }
}
