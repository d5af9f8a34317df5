import BusProtocol
import CoreTypes
import JSON

/// Messages of the load, made once: as large as real ones, and nobody reads what they say.
enum BenchMessages {
    /// The header of every request.
    static let requestHeader = Array(#"{"deadline_ms":600000,"durability":"memory"}"#.utf8)

    /// A chat request of about `byteCount` bytes.
    ///
    /// - Parameter model: Named in the body; nil for the configured one.
    static func requestBody(byteCount: Int, model: String? = nil) -> [UInt8] {
        var value: JSONObject = [:]
        if let model { value["model"] = JSONValue(model) }
        value["messages"] = [["role": "user", "content": ""]]
        let empty = JSONValue.object(value).serialized().count
        let text = String(repeating: "Say something about message buses. ", count: byteCount / 35 + 1)
        value["messages"] = [["role": "user", "content": JSONValue(String(text.prefix(max(1, byteCount - empty))))]]
        return JSONValue.object(value).serialized()
    }

    /// A chat completion of about `byteCount` bytes.
    static func replyBody(byteCount: Int) -> [UInt8] {
        let text = String(repeating: "A bus carries what others ask and answer. ", count: byteCount / 42 + 1)
        let value: JSONValue = [
            "id": "chatcmpl-0123456789", "object": "chat.completion", "created": 1_700_000_000, "model": "ok",
            "choices": [
                [
                    "index": 0, "finish_reason": "stop",
                    "message": [
                        "role": "assistant", "content": JSONValue(String(text.prefix(max(1, byteCount - 280)))),
                    ],
                ]
            ],
            "usage": ["prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46],
        ]
        return value.serialized()
    }

    private static let trail = #"""
        [{"attempt":1,"delivery":1,"model":"mock/ok","provider":"mock","status":200,"started_ms":1,"duration_ms":12,\#
        "next":"reply"}]
        """#

    /// The header of a worker's `REPLY`.
    static let replyHeader = Array(
        """
        {"meta":{"resolved_model":"mock/ok","attempts":1,"retries":0,"fallbacks":0,"total_attempts":1,"deliveries":1,\
        "waited_ms":0,"duration_ms":13,"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46},\
        "trail":\(trail)}}
        """.utf8
    )

    /// The record of a call, F4 of a worker's `REPLY`.
    static let record = Array(
        """
        {"gen_ai.operation.name":"chat","gen_ai.provider.name":"mock","gen_ai.request.model":"ok",\
        "gen_ai.response.model":"ok","gen_ai.response.finish_reasons":["stop"],"gen_ai.usage.input_tokens":12,\
        "gen_ai.usage.output_tokens":34,"model":"mock/ok","resolved_model":"mock/ok","attempts":1,"retries":0,\
        "fallbacks":0,"total_attempts":1,"duration_ms":13,"trail":\(trail)}
        """.utf8
    )

    /// The lane in the header of `START`.
    static let lane = Lane(provider: "mock", model: "ok", key: "none").encoded

    /// The event of an attempt.
    static let attemptEvent = Array(
        """
        {"event":"attempt.ended","time_ms":1700000000000,"tenant":"uid-0","id":"bench-0000000000000000",\
        "worker":"bench","attempt":1,"model":"mock/ok","gen_ai.provider.name":"mock","gen_ai.request.model":"ok",\
        "http.response.status_code":200,"duration_ms":12,"wait_ms":0,"next":"reply"}
        """.utf8
    )
}

extension BenchMessages {
    /// The header of requests that are kept on disk.
    static let diskHeader = Array(#"{"deadline_ms":600000,"durability":"disk"}"#.utf8)
    /// The header of requests that are kept in memory.
    static let memoryHeader = Array(#"{"deadline_ms":600000,"durability":"memory"}"#.utf8)

    /// A time by ``Machine/nanoseconds`` as a frame.
    static func stamp(_ time: Int64) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: time >> $0) }
    }

    /// The time in a frame; nil when there is none.
    static func time(ofStamp frame: [UInt8]) -> Int64? {
        frame.count == 8 ? frame.reduce(0) { $0 << 8 | Int64($1) } : nil
    }
}
