import BusProtocol
import CoreTypes
import JSON

/// Shows decoded messages the way `vectors.json` does.
enum Show {
    static func agent(_ message: AgentMessage, _ envelope: Envelope, _ frames: FrameList, _ body: Range<Int>)
        -> JSONValue
    {
        let encoded = message.encoded()
        var object = JSONObject()
        object["envelope"] = .array(envelope.frames.map { .string(hex($0)) })
        object["verb"] = .string(encoded.verb.rawValue)
        object["id"] = .string(String(decoding: encoded.id, as: UTF8.self))
        object["header"] = [:]
        switch message {
        case .hello(let hello): object["header"] = ["client": text(hello.client)]
        case .request(_, let header):
            object["header"] = .object(request(header))
            object["body"] = .array(frames.frames[body].map { .string(hex($0)) })
        case .get(_, let wait): object["header"] = ["wait_ms": milliseconds(wait)]
        case .task(let report):
            switch report.outcome {
            case .completed: object["header"] = ["status": "completed"]
            case .failedInApplication: object["header"] = ["status": "failed", "kind": "application"]
            case .failedInLLM: object["header"] = ["status": "failed", "kind": "llm"]
            }
        case .ping(let token): object["id"] = .string(hex(token))
        case .cancel, .acknowledge, .bye: break
        }
        return .object(object)
    }

    private static func request(_ header: RequestHeader) -> JSONObject {
        var object = JSONObject()
        object["deadline_ms"] = milliseconds(header.deadline)
        object["priority"] = JSONValue(header.priority)
        object["stream"] = .bool(header.stream)
        object["durability"] = text(header.durability?.rawValue)
        object["on_loss"] = .string(header.onLoss.rawValue)
        object["task"] = text(header.task)
        object["ttl_ms"] = header.ttl.map(milliseconds) ?? .null
        object["cancel_on_disconnect"] = .bool(header.cancelOnDisconnect)
        return object
    }

    static func inbound(_ message: AgentInbound) throws -> JSONValue {
        switch message {
        case .answer(let reply): return answer(reply)
        case .terminal(let terminal):
            var object = base(terminal.verb, .string(terminal.id.text), try JSONValue(parsing: terminal.header))
            object["body"] = .array(terminal.body.map { .string(hex($0.array)) })
            return .object(object)
        case .chunk(let id, let header, let body):
            let shown: JSONValue = ["attempt": JSONValue(Int(header.attempt)), "seq": JSONValue(Int(header.sequence))]
            var object = base(.chunk, .string(id.text), shown)
            object["body"] = .array(body.map { .string(hex($0.array)) })
            return .object(object)
        }
    }

    private static func answer(_ reply: AgentReply) -> JSONValue {
        switch reply {
        case .welcome(let welcome):
            let header: JSONValue = [
                "epoch": JSONValue(welcome.epoch), "dedup_ms": milliseconds(welcome.dedup),
                "durabilities": .array(welcome.durabilities.map { .string($0.rawValue) }),
            ]
            return .object(base(.welcome, "", header))
        case .accepted(let id, let durability, let duplicate):
            let header: JSONValue = ["durability": .string(durability.rawValue), "duplicate": .bool(duplicate)]
            return .object(base(.accepted, .string(id.text), header))
        case .rejected(let id, let failure):
            return .object(base(.rejected, .string(id.text), error(failure)))
        case .state(let id, let state):
            let header: JSONValue = [
                "state": .string(state.phase.rawValue), "deliveries": JSONValue(Int(state.deliveries)),
                "attempts": JSONValue(Int(state.attempts)), "age_ms": milliseconds(state.age),
                "remaining_ms": milliseconds(state.remaining),
            ]
            return .object(base(.state, .string(id.text), header))
        case .document(let id, let document):
            var object = base(.state, .string(id.text), ["state": "sys"])
            object["body"] = [.string(hex(document.array))]
            return .object(object)
        case .ok(let id): return .object(base(.ok, .string(hex(id)), [:]))
        case .pong(let token): return .object(base(.pong, .string(hex(token)), [:]))
        case .error(let id, let failure): return .object(base(.error, .string(hex(id)), error(failure)))
        }
    }

    static func worker(_ message: WorkerMessage, _ frames: FrameList, _ body: Range<Int>) throws -> JSONValue {
        let raw = frames.frames[3]
        func rawHeader() throws -> JSONValue { try JSONValue(parsing: raw) }
        let rest = JSONValue.array(frames.frames[body].map { .string(hex($0)) })
        var object: JSONObject
        switch message {
        case .ready(let ready):
            let header: JSONValue = [
                "name": .string(ready.name), "pid": JSONValue(Int(ready.pid)), "capacity": JSONValue(ready.capacity),
            ]
            object = base(.ready, "", header)
            object["held"] = .array(
                ready.held.map { entry in
                    guard case .object(var shown) = key(entry.key) else { return .null }
                    shown["state"] = .string(entry.state.rawValue)
                    shown["body_sha256"] = .string(entry.bodyHash.description)
                    return .object(shown)
                }
            )
        case .credit(let total): object = base(.credit, "", ["granted_total": JSONValue(total)])
        case .start(let delivery): object = base(.start, key(delivery), try rawHeader())
        case .chunk(let delivery):
            object = base(.chunk, key(delivery), try rawHeader())
            object["body"] = rest
        case .reply(let delivery):
            object = base(.reply, key(delivery), try rawHeader())
            object["body"] = rest
        case .failure(let delivery):
            object = base(.failure, key(delivery), try rawHeader())
            object["body"] = rest
        case .returned(let delivery, let reason):
            object = base(.returned, key(delivery), ["reason": .string(reason.rawValue)])
        case .beat(let beat):
            let header: JSONValue = [
                "held": JSONValue(beat.held), "lag_ms": milliseconds(beat.lag), "rss_kib": JSONValue(beat.residentKiB),
            ]
            object = base(.beat, "", header)
        case .event(let eventClass): object = base(.event, .string(eventClass.rawValue), try rawHeader())
        case .bye: object = base(.bye, "", [:])
        }
        return .object(object)
    }

    static func broker(_ message: BrokerMessage, _ frames: FrameList) -> JSONValue {
        func only(_ session: SessionToken) -> JSONValue { ["session": .string(session.text)] }
        switch message {
        case .welcome(let welcome):
            let header: JSONValue = [
                "session": .string(welcome.session.text), "epoch": JSONValue(welcome.epoch),
                "beat_ms": milliseconds(welcome.beatInterval), "lease_ms": milliseconds(welcome.lease),
            ]
            var object = base(.welcome, "", header)
            object["keep"] = .array(welcome.keep.map(key))
            object["drop"] = .array(welcome.drop.map(key))
            return .object(object)
        case .job(let delivery, let header):
            var object = base(.job, key(delivery), job(header))
            object["body"] = .array(frames.frames.dropFirst(4).map { .string(hex($0)) })
            return .object(object)
        case .go(let delivery, let session): return .object(base(.go, key(delivery), only(session)))
        case .noGo(let delivery, let session, let reason, let wait):
            let header: JSONValue = [
                "session": .string(session.text), "reason": .string(reason.rawValue),
                "wait_ms": wait.map(milliseconds) ?? .null,
            ]
            return .object(base(.noGo, key(delivery), header))
        case .cancel(let delivery, let session): return .object(base(.cancel, key(delivery), only(session)))
        case .acknowledge(let delivery): return .object(base(.acknowledge, key(delivery), [:]))
        case .beat(let order): return .object(base(.beat, "", ["state": .string(order.rawValue)]))
        case .error(let id, let failure): return .object(base(.error, .string(hex(id)), error(failure)))
        }
    }

    private static func job(_ header: JobHeader) -> JSONValue {
        var object = JSONObject()
        object["session"] = .string(header.session.text)
        object["tenant"] = .string(header.tenant.description)
        object["id"] = .string(header.id.text)
        object["task"] = text(header.task)
        object["first_attempt"] = JSONValue(Int(header.firstAttempt))
        object["remaining_ms"] = milliseconds(header.remaining)
        object["waited_ms"] = milliseconds(header.waited)
        object["stream"] = .bool(header.stream)
        object["lost"] = .array(
            header.lost.map { lost in
                [
                    "delivery": JSONValue(Int(lost.delivery)), "attempt": JSONValue(Int(lost.attempt)),
                    "held_ms": milliseconds(lost.held),
                ]
            }
        )
        return .object(object)
    }

    static func telemetry(_ event: TelemetryFrames) throws -> JSONValue {
        [
            "topic": .string(
                String(
                    decoding: TelemetryFrames.topic(event.eventClass, tenant: event.tenant),
                    as: UTF8.self
                )
            ),
            "class": .string(event.eventClass.rawValue), "tenant": text(event.tenant?.description),
            "epoch": JSONValue(event.epoch), "seq": JSONValue(event.sequence),
            "json": try JSONValue(parsing: event.json),
        ]
    }

    private static func base(_ verb: Verb, _ id: JSONValue, _ header: JSONValue) -> JSONObject {
        var object = JSONObject()
        object["verb"] = .string(verb.rawValue)
        object["id"] = id
        object["header"] = header
        return object
    }

    private static func key(_ key: DeliveryKey) -> JSONValue {
        [
            "job": JSONValue(key.job.value), "delivery": JSONValue(Int(key.delivery)),
            "attempt": JSONValue(Int(key.attempt)),
        ]
    }

    private static func error(_ error: BusError) -> JSONValue {
        [
            "code": JSONValue(error.code.number), "symbol": .string(error.code.symbol),
            "message": .string(error.message), "retry_after_ms": error.retryAfter.map(milliseconds) ?? .null,
            "retry": .string(error.code.retry.rawValue), "billed": .string(error.code.billed.rawValue),
        ]
    }

    private static func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    private static func milliseconds(_ duration: Duration) -> JSONValue { JSONValue(duration.wholeMilliseconds) }

    /// The value with the members of every object in one order, so that order does not count in a comparison.
    static func sorted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements): return .array(elements.map(sorted))
        case .object(let object):
            var result = JSONObject()
            for key in object.keys.sorted() { result[key] = object[key].map(sorted) }
            return .object(result)
        case .null, .bool, .number, .string: return value
        }
    }
}
