import BusProtocol
import CoreTypes
import JSON
import Resilience

/// Reads why an answer is no good reply: class, advice about the same model, the wait that is named.
///
/// What really happened counts, not the status: codes and types come first, then texts that providers are known to
/// use, then the status. Sources: notes on providers, 5.1 to 5.5, and the error corpus.
struct ErrorReader {
    let status: Int
    let headers: [(String, String)]
    let body: Bytes
    let wallNow: Int64

    /// Longest error body that is searched.
    static let bodyBytesMax = 256 * 1024
    /// A wait beyond this is no rate limit but a spent budget. Source: gemini-cli, notes 5.3.
    static let rateLimitWaitMax: Duration = .seconds(300)

    /// The failure that the body tells of.
    func failure() -> AttemptFailure {
        let bytes = body.count <= Self.bodyBytesMax ? body.array : Array(body.array.prefix(Self.bodyBytesMax))
        if let value = try? JSONValue(parsing: bytes) { return failure(of: value) }
        let text = String(decoding: bytes.prefix(8192), as: UTF8.self)
        return failure(of: ErrorEvidence(text: Self.plain(text)))
    }

    /// The failure that a JSON error envelope tells of.
    func failure(of envelope: JSONValue) -> AttemptFailure {
        failure(of: ErrorEvidence(envelope))
    }

    /// The failure of an answer with a good status whose body is no JSON object.
    func failureOfNoObject() -> AttemptFailure {
        let text = String(decoding: body.array.prefix(Self.bodyBytesMax), as: UTF8.self)
        if EventStreamText.isEventStream(text, contentType: header("content-type")) {
            let stream = EventStreamText(text)
            if let error = stream.error { return failure(of: error) }
            if !stream.isFinished { return make(.connection, message: "the stream broke off before its end") }
            return malformed("a stream, though none was asked for")
        }
        if let value = try? JSONValue(parsing: body), let first = value[0], first["error"] != nil { return failure() }
        return malformed(body.isEmpty ? "an empty body" : "a body that is no JSON object")
    }

    /// A `malformed_response` with status 2xx; another try may do better.
    func malformed(_ found: String) -> AttemptFailure {
        make(.malformedResponse, message: "the provider sent \(found); expected a chat completion")
    }

    /// A failure that the body's envelope does not describe.
    func make(_ failureClass: FailureClass, message: String) -> AttemptFailure {
        AttemptFailure(
            failureClass,
            httpStatus: status,
            sameModelAdvice: ErrorRules.isTransient(failureClass),
            message: message,
            providerError: body.isEmpty ? nil : Array(body.array.prefix(AttemptFailure.providerErrorBytesMax))
        )
    }

    private func failure(of evidence: ErrorEvidence) -> AttemptFailure {
        // With status 2xx the true status stands in the body, or nowhere.
        let effective = (200...299).contains(status) ? evidence.status ?? 500 : status
        let rules = ErrorRules(status: effective, evidence: evidence)
        var hint = RetryHint.wait(headers: headers, wallNow: wallNow)
        if hint == nil { hint = evidence.retryDelay.flatMap(RetryHint.duration) }
        if hint == nil, [408, 429, 503, 529].contains(effective) { hint = RetryHint.wait(inText: evidence.text) }
        let finding = rules.finding(hint: hint)
        if hint == nil, finding.failureClass == .rateLimited {
            hint = RetryHint.reset(headers: headers, wallNow: wallNow)
        }

        var advice = finding.sameModel
        if let should = header("x-should-retry") {
            // The provider knows best when it says no; its yes counts only for what can pass.
            if should == "false" { advice = false }
        }
        return AttemptFailure(
            finding.failureClass,
            httpStatus: status,
            sameModelAdvice: advice,
            hint: hint,
            message: words(evidence),
            providerError: body.isEmpty ? nil : Array(body.array.prefix(AttemptFailure.providerErrorBytesMax))
        )
    }

    /// What the failure is said to be: the provider's own words, or ours where it has none that help.
    private func words(_ evidence: ErrorEvidence) -> String {
        // The page that comes with a redirect says no more than that it is one.
        if (300...399).contains(status) {
            return "status \(status): the provider points to \(redirectTarget), and redirects are not followed; "
                + "check base_url"
        }
        if let said = evidence.messages.first { return said }
        return switch status {
        case 404: "status 404 and no message: there is nothing at this address; check base_url"
        case 405: "status 405 and no message: nothing at this address takes a POST; check base_url"
        default: "the provider answered with status \(status) and no message"
        }
    }

    /// The host and port that a redirect leads to. Not the whole address: it may hold a secret.
    private var redirectTarget: String {
        guard let location = header("location"), !location.isEmpty else { return "another place" }
        guard let slashes = location.firstRange(of: "//"), !location[..<slashes.lowerBound].contains("/") else {
            return "another path of the same host"
        }
        let authority = location[slashes.upperBound...].prefix { !"/?#\\".contains($0) }
        let host = authority.split(separator: "@").last?.prefix(255) ?? ""
        return host.isEmpty ? "another place" : String(host)
    }

    private func header(_ name: String) -> String? {
        headers.first { $0.0.lowercased() == name }?.1.lowercased()
    }

    /// The text of a page: its title when it is HTML, else the beginning.
    private static func plain(_ text: String) -> String {
        let lowered = text.lowercased()
        guard lowered.contains("<html") || lowered.contains("<!doctype") else { return text }
        guard let open = text.firstRange(of: "<title>"),
            let close = text[open.upperBound...].firstRange(of: "</title>")
        else { return "an HTML page" }
        let title = text[open.upperBound..<close.lowerBound]
        return title.allSatisfy(\.isWhitespace) ? "an HTML page" : String(title)
    }
}
