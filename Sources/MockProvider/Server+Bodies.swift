import CoreTypes
import EventLoop
import JSON
import Synchronization

extension Server {
    /// The answer of `GET /_mock/counts`.
    func countsBody(_ query: [String: String]) -> [UInt8] {
        if let id = query["id"] {
            let calls = playbook.withLock { $0.counts.calls(of: id) }
            return MockCounts.json(id: id, calls: calls.total, models: calls.models)
        }
        let withRequests = query["summary"] == nil
        return playbook.withLock { $0.counts.snapshot(withRequests: withRequests) }.json(withRequests: withRequests)
    }

    /// What the page for people shows.
    func statusView() -> StatusView {
        let now = loop.now()
        let open = connections.values.count { $0.owesAnswer }
        let count = connections.count
        return playbook.withLock { playbook in
            StatusView(&playbook, now: now, started: started, connections: count, open: open)
        }
    }

    /// The answer of `GET …/models`.
    func modelsBody() -> [UInt8] {
        var names = script.rules.map(\.model).filter { $0.withoutTrailingStar == nil }
        names += [
            "ok", "ok-250", "status-429-after-2", "status-503", "fail-first-2", "fail-30pct", "flap-5-3", "silent",
        ]
        var seen: Set<String> = []
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.member("object", "list")
        writer.key("data")
        writer.beginArray()
        for name in names where seen.insert(name).inserted {
            writer.beginObject()
            writer.member("id", name)
            writer.member("object", "model")
            writer.member("created", 0)
            writer.member("owned_by", "understudy-mock")
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
