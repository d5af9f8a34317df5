extension MockBehaviour {
    /// The grammar of model names, for people.
    public static var nameHelp: String {
        """
        The part of the model name behind the last "/" says what happens to a call:

          ok                   a chat completion
          status-503           that status (200 ... 599) with a real-shaped body
          status-429-after-2   the same with "retry-after: 2"
          status-429-ms-1500   with "retry-after-ms: 1500"
          status-429-date-2    with "retry-after:" and the HTTP date in 2 s
          quota                429 insufficient_quota
          context-length       400 context_length_exceeded
          content-policy       400 content_policy_violation
          html-502             that status with a gateway's HTML page
          error-200            200 with an error body
          empty                200 without a body
          malformed            200 with broken JSON
          truncated            200 whose body stops half way
          silent               no answer; the connection stays open
          reset-before         connection reset before the first byte
          reset-after-head     connection reset behind the headers

        Behind any of them "+" and a number of milliseconds waits first:

          ok+250               always 250 ms (ok-250 is the same)
          status-503+20-80     evenly between 20 and 80 ms
          ok+exp-400           exponential, 400 ms on average
          ok+log-800-6000      lognormal, median 800 ms, 1 of 100 above 6 s

        A selector lets only some calls fail, the others are answered:

          fail-first-2         the first 2 calls of each request id
          fail-30pct           30 % of the calls, drawn by id and number
          flap-5-3             5 calls of the model are answered, 3 fail ...

        They fail with 503, or with what stands behind a colon:
        fail-first-2:status-429-after-1, flap-5-3:silent. A name that begins with
        none of these words is answered. One that begins with such a word but goes
        on wrongly is refused with 404 and the reason.
        """
    }

    /// Reads a behaviour from its word, for example `status-429-after-2+100`.
    ///
    /// - Throws: ``MockError`` of code `script` that names what is wrong with the word.
    public init(named name: String) throws(MockError) {
        let parts = name.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        var words = parts[0].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        var latency = MockLatency.none
        if parts.count == 2 { latency = try Self.latency(named: String(parts[1]), in: name) }
        if words.count == 2, words[0] == "ok", parts.count == 1 {
            latency = try Self.latency(named: words.removeLast(), in: name)
        }
        self.init(try Self.outcome(of: words, in: name), latency: latency)
    }

    private static func outcome(of words: [String], in name: String) throws(MockError) -> Outcome {
        switch words.joined(separator: "-") {
        case "ok": return .answer
        case "silent": return .silence
        case "reset-before": return .resetBeforeHead
        case "reset-after-head": return .resetAfterHead
        case "truncated": return .truncatedBody
        case "malformed": return .malformedBody
        case "empty": return .emptyBody
        case "error-200": return .errorInsideSuccess
        case "quota": return .status(MockStatus(429, body: .quota))
        case "context-length": return .status(MockStatus(400, body: .contextLength))
        case "content-policy": return .status(MockStatus(400, body: .contentPolicy))
        default: break
        }
        if words.count == 2, words[0] == "html" {
            return .status(MockStatus(try number(words[1], in: 200...599, of: name), body: .html))
        }
        guard words[0] == "status", words.count == 2 || words.count == 4 else {
            throw MockError(code: .script, message: "\"\(name)\" is no behaviour; expected one of \(vocabulary)")
        }
        var status = MockStatus(try number(words[1], in: 200...599, of: name))
        if words.count == 4 {
            let amount = try number(words[3], in: 0...MockLatency.millisecondsLimit, of: name)
            switch words[2] {
            case "after": status.retryAfter = .header(String(amount))
            case "ms": status.retryAfter = .milliseconds(amount)
            case "date": status.retryAfter = .date(seconds: amount)
            default:
                throw MockError(
                    code: .script,
                    message: "\"\(words[2])\" in \"\(name)\" is no form of retry-after; expected after, ms or date"
                )
            }
        }
        return .status(status)
    }

    private static var vocabulary: String {
        "ok, status-<code>, quota, context-length, content-policy, html-<code>, error-200, empty, malformed, "
            + "truncated, silent, reset-before, reset-after-head"
    }

    private static func latency(named text: String, in name: String) throws(MockError) -> MockLatency {
        let words = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        let limits = 1...MockLatency.millisecondsLimit
        switch (words[0], words.count) {
        case ("exp", 2):
            return MockLatency(.exponential(mean: Double(try number(words[1], in: limits, of: name))))
        case ("log", 3):
            let median = try number(words[1], in: limits, of: name)
            let high = try number(words[2], in: limits, of: name)
            guard median <= high else {
                throw MockError(code: .script, message: "the latency \(median)-\(high) in \"\(name)\" is upside down")
            }
            return MockLatency(.lognormal(median: Double(median), p99: Double(high)))
        default:
            return try uniformLatency(between: words, in: name)
        }
    }

    private static func uniformLatency(between words: [String], in name: String) throws(MockError) -> MockLatency {
        let limits = 0...MockLatency.millisecondsLimit
        let low = try number(words[0], in: limits, of: name)
        guard words.count > 1 else { return MockLatency(milliseconds: low) }
        let high = try number(words.dropFirst().joined(separator: "-"), in: limits, of: name)
        guard low <= high else {
            throw MockError(code: .script, message: "the latency \(low)-\(high) in \"\(name)\" is upside down")
        }
        return MockLatency(low...high)
    }

    /// Reads digits only; `Int.init` alone would take a sign too.
    static func number(_ text: String, in range: ClosedRange<Int>, of name: String) throws(MockError) -> Int {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(text), range.contains(number)
        else {
            throw MockError(
                code: .script,
                message: "\"\(text)\" in \"\(name)\" is no number in \(range.lowerBound)...\(range.upperBound)"
            )
        }
        return number
    }
}
