/// Makes the bytes of responses. No I/O; the time comes with each call.
struct Player {
    /// Seconds since 1970.
    var unixSeconds: Int64
    /// The same as an HTTP date.
    var date: String

    /// The response to `call`; nil when no byte is sent: the caller keeps silent or resets the connection.
    func response(to call: Call) -> Response? {
        switch call.outcome {
        case .silence, .resetBeforeHead:
            return nil
        case .status(let status):
            return response(with: status, to: call)
        case .replay:
            return call.exchange.map { recorded($0, call) }
        case .answer, .resetAfterHead, .truncatedBody, .malformedBody, .emptyBody, .errorInsideSuccess:
            return call.request.isStream ? stream(call) : completion(call)
        }
    }

    /// A response of its own, outside of a call.
    func response(
        status: Int,
        headers: [MockHeader] = [],
        body: [UInt8],
        type: String = "application/json",
        keepsAlive: Bool
    ) -> Response {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256 + body.count)
        ResponseWriter.appendHead(
            status: status,
            headers: [MockHeader("content-type", type), MockHeader("date", date)] + headers,
            framing: .length(body.count),
            keepsAlive: keepsAlive,
            to: &bytes
        )
        bytes.append(contentsOf: body)
        return Response(bytes: bytes, ending: keepsAlive ? .keepAlive : .close)
    }

    /// The headers of every answer to `call`: its number, and what its limit says.
    private func headers(of call: Call) -> [MockHeader] {
        let requestID = MockHeader("x-request-id", "req_mock_\(call.number)")
        guard let limit = call.limit else { return [requestID] }
        return [requestID] + limit.headers(unixSeconds: unixSeconds)
    }

    private func response(with status: MockStatus, to call: Call) -> Response {
        var (body, type) = ErrorBody.content(of: status, model: call.request.model)
        if (200..<300).contains(status.code), status.body == .openAI {
            body = Completion(to: call.request, number: call.number, created: unixSeconds).body()
        }
        return response(
            status: status.code,
            headers: headers(of: call) + hintHeaders(status.retryAfter) + status.headers,
            body: body,
            type: type,
            keepsAlive: call.keepsAlive
        )
    }

    private func hintHeaders(_ hint: MockRetryAfter?) -> [MockHeader] {
        switch hint {
        case .header(let text): [MockHeader("retry-after", text)]
        case .date(let seconds):
            [MockHeader("retry-after", WallClock.httpDate(unixSeconds: unixSeconds + Int64(seconds)))]
        case .milliseconds(let milliseconds): [MockHeader("retry-after-ms", String(milliseconds))]
        case .reset(let text): [MockHeader("x-ratelimit-reset-requests", text)]
        case .text, .retryInfo, nil: []
        }
    }

    private func completion(_ call: Call) -> Response {
        let whole = Completion(to: call.request, number: call.number, created: unixSeconds).body()
        var response = response(status: 200, headers: headers(of: call), body: whole, keepsAlive: call.keepsAlive)
        let headLength = response.bytes.count - whole.count
        switch call.outcome {
        case .answer, .silence, .resetBeforeHead, .status, .replay:
            break
        case .resetAfterHead:
            response.bytes.removeLast(whole.count)
            response.ending = .reset
        case .truncatedBody:
            response.bytes.removeLast(whole.count - whole.count / 2)
            response.ending = .close
        case .malformedBody:
            // The length stays; the last bracket turns into a comma.
            response.bytes[headLength + whole.count - 1] = UInt8(ascii: ",")
        case .emptyBody:
            return self.response(status: 200, headers: headers(of: call), body: [], keepsAlive: call.keepsAlive)
        case .errorInsideSuccess:
            let body = insideError(call)
            return self.response(status: 200, headers: headers(of: call), body: body, keepsAlive: call.keepsAlive)
        }
        return response
    }

    private func insideError(_ call: Call) -> [UInt8] {
        ErrorBody.content(of: MockStatus(503), model: call.request.model).bytes
    }

    /// A recorded answer: streams event by event, each a chunk of its own; all else in one piece.
    private func recorded(_ exchange: MockExchange, _ call: Call) -> Response {
        let limitHeaders = call.limit?.headers(unixSeconds: unixSeconds) ?? []
        guard exchange.isEventStream, !call.isOldHTTP else {
            return response(
                status: exchange.status,
                headers: exchange.headers + limitHeaders,
                body: exchange.body,
                keepsAlive: call.keepsAlive
            )
        }
        var bytes: [UInt8] = []
        ResponseWriter.appendHead(
            status: exchange.status,
            headers: [MockHeader("date", date)] + exchange.headers + limitHeaders,
            framing: .chunked,
            keepsAlive: call.keepsAlive,
            to: &bytes
        )
        for event in exchange.events { ResponseWriter.appendChunk(Array(event), to: &bytes) }
        ResponseWriter.appendLastChunk(to: &bytes)
        return Response(bytes: bytes, ending: call.keepsAlive ? .keepAlive : .close)
    }

    private func stream(_ call: Call) -> Response {
        let keepsAlive = call.keepsAlive && !call.isOldHTTP && call.outcome != .truncatedBody
        let isChunked = !call.isOldHTTP
        var bytes: [UInt8] = []
        ResponseWriter.appendHead(
            status: 200,
            headers: [
                MockHeader("content-type", "text/event-stream; charset=utf-8"), MockHeader("date", date),
                MockHeader("cache-control", "no-cache"),
            ] + headers(of: call),
            framing: isChunked ? .chunked : .close,
            keepsAlive: keepsAlive,
            to: &bytes
        )
        if call.outcome == .resetAfterHead { return Response(bytes: bytes, ending: .reset) }
        for event in events(call) {
            if isChunked {
                ResponseWriter.appendChunk(event, to: &bytes)
            } else {
                bytes.append(contentsOf: event)
            }
        }
        if isChunked, call.outcome != .truncatedBody { ResponseWriter.appendLastChunk(to: &bytes) }
        return Response(bytes: bytes, ending: keepsAlive ? .keepAlive : .close)
    }

    /// The events of a stream, with the fault that the outcome asks for.
    private func events(_ call: Call) -> [[UInt8]] {
        let completion = Completion(to: call.request, number: call.number, created: unixSeconds)
        var events = completion.events(withUsage: call.request.wantsStreamUsage)
        switch call.outcome {
        case .truncatedBody:
            events.removeLast(events.count / 2)
        case .malformedBody:
            // The second event loses its end: a line of broken JSON between good ones.
            events[1] = Array(events[1].dropLast(8)) + Array("\n\n".utf8)
        case .emptyBody:
            events = []
        case .errorInsideSuccess:
            events = [events[0], Completion.event(insideError(call))]
        case .answer, .status, .silence, .resetBeforeHead, .resetAfterHead, .replay:
            break
        }
        return events
    }
}
