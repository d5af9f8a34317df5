import BusProtocol
import CoreTypes
import Glibc
import Synchronization
import Testing
import UnderstudyClient
import ZeroMQ

/// The client over a socket, against brokers that do what a test says.
@Suite(.timeLimit(.minutes(10))) struct ClientTests {
    private typealias Answer = ScriptedBroker.Answer

    private let directory = TemporaryDirectory()
    private let body = Bytes(#"{"messages":[]}"#)
    private let id = RequestID("of-a-test")!

    private func broker(_ script: @escaping ScriptedBroker.Script) async throws -> ScriptedBroker {
        let broker = try ScriptedBroker(directory, script)
        try await broker.open()
        return broker
    }

    private func client() async throws -> UnderstudyClient {
        let configuration = UnderstudyClient.Configuration(
            directory: try EndpointDirectory(path: directory.path),
            patience: .seconds(300)
        )
        return try await .connect(configuration)
    }

    private func code(_ call: () async throws(ClientError) -> some Sendable) async -> ClientError.Code? {
        do {
            _ = try await call()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `a fallback that a stranger may have made is refused, there already or later`() async throws {
        let fallback = try EndpointDirectory.resolve({ _ in nil }, temporary: directory.path)
        defer { unsafe rmdir(fallback.path) }
        #expect(unsafe mkdir(fallback.path, 0o755) == 0)
        let before = await code { () throws(ClientError) in try await UnderstudyClient.connect(to: fallback) }
        #expect(before == .badPath)
        #expect(unsafe rmdir(fallback.path) == 0)
        let client = try await UnderstudyClient.connect(.init(directory: fallback, patience: .seconds(300)))
        #expect(unsafe mkdir(fallback.path, 0o755) == 0)
        let after = await code { () throws(ClientError) in try await client.submit(body, id: id) }
        #expect(after == .badPath)
        await client.close()
    }

    @Test func `an answer is acknowledged`() async throws {
        let broker = try await broker { verb, _ in verb == "REQUEST" ? [.accepted, .reply] : [.ok] }
        let client = try await client()
        let outcome = try await client.submit(body, id: id)
        guard case .reply(let reply) = outcome else { throw Unexpected(outcome) }
        #expect(reply.id == id && reply.body.array == Array(#"{"choices":[]}"#.utf8))
        await broker.hear("ACK")
        await client.close()
        await broker.close()
    }

    @Test func `an answer is left with the broker until the caller acknowledges it`() async throws {
        let broker = try await broker { verb, _ in verb == "REQUEST" ? [.accepted, .reply] : [.ok] }
        let client = try await client()
        _ = try await client.submit(body, id: id, acknowledgement: .explicit)
        let before = await broker.heard
        #expect(!before.contains("ACK"))
        try await client.acknowledge(id)
        let after = await broker.heard
        #expect(after.last == "ACK")
        await client.close()
        await broker.close()
    }

    @Test func `a request that was not accepted is sent to the next broker`() async throws {
        let broker = try await broker { _, _ in [] }
        let client = try await client()
        async let outcome = client.submit(body, id: id)
        await broker.hear("REQUEST")
        try await broker.restart { verb, _ in verb == "REQUEST" ? [.accepted, .reply] : [.ok] }
        #expect(try await outcome.id == id)
        await client.close()
        await broker.close()
    }

    @Test func `a broker that kept an accepted request is only asked for it`() async throws {
        let broker = try await broker { verb, _ in verb == "REQUEST" ? [.accepted] : [.running] }
        let client = try await client()
        async let outcome = client.submit(body, id: id)
        await broker.hear("REQUEST")
        // Comes after the ACCEPTED.
        _ = try await client.standing(of: id)
        try await broker.restart { verb, _ in verb == "GET" ? [.running, .reply] : [.ok] }
        #expect(try await outcome.id == id)
        let heard = await broker.heard
        #expect(!heard.contains("REQUEST"))
        await client.close()
        await broker.close()
    }

    @Test func `a broker that forgot an accepted request gets it again`() async throws {
        let broker = try await broker { verb, _ in verb == "REQUEST" ? [.accepted] : [.running] }
        let client = try await client()
        async let outcome = client.submit(body, id: id)
        await broker.hear("REQUEST")
        _ = try await client.standing(of: id)
        try await broker.restart { verb, _ in
            switch verb {
            case "GET": [.unknown]
            case "REQUEST": [.accepted, .reply]
            default: [.ok]
            }
        }
        #expect(try await outcome.id == id)
        let heard = await broker.heard
        #expect(heard.prefix(2) == ["GET", "REQUEST"])
        await client.close()
        await broker.close()
    }

    @Test func `cancelling the task cancels the request and acknowledges its end`() async throws {
        let broker = try await broker { verb, _ in
            switch verb {
            case "REQUEST": [.accepted]
            case "CANCEL": [.cancelled]
            default: [.ok]
            }
        }
        let client = try await client()
        let task = Task { [body, id] in
            await code { () async throws(ClientError) in try await client.submit(body, id: id) }
        }
        await broker.hear("REQUEST")
        task.cancel()
        #expect(await task.value == .cancelled)
        await broker.hear("ACK")
        await client.close()
        await broker.close()
    }

    @Test func `a request of another is waited for and never sent`() async throws {
        let broker = try await broker { verb, _ in verb == "GET" ? [.running, .reply] : [.ok] }
        let client = try await client()
        let outcome = try await client.attach(to: id)
        #expect(outcome.id == id)
        await broker.hear("ACK")
        let heard = await broker.heard
        #expect(!heard.contains("REQUEST"))
        await client.close()
        await broker.close()
    }

    @Test(arguments: [false, true]) func `who stops waiting for a request of another cancels it only on demand`(
        cancels: Bool
    ) async throws {
        let broker = try await broker { verb, _ in
            switch verb {
            case "GET": [.running]
            case "CANCEL": [.cancelled]
            case "PING": [Answer("PONG")]
            default: [.ok]
            }
        }
        let client = try await client()
        let task = Task { [id] in
            await code { () async throws(ClientError) in try await client.attach(to: id, cancels: cancels) }
        }
        await broker.hear("GET")
        task.cancel()
        #expect(await task.value == .cancelled)
        if cancels { await broker.hear("ACK") }
        try await client.ping()
        let heard = await broker.heard
        #expect(heard.contains("CANCEL") == cancels)
        await client.close()
        await broker.close()
    }

    @Test(arguments: [(Answer.unknown, ClientError.Code.unknown), (.gone, .gone)])
    func `a request that is not there is told from one that is over`(
        answer: ScriptedBroker.Answer,
        expected: ClientError.Code
    ) async throws {
        let broker = try await broker { _, _ in [answer] }
        let client = try await client()
        #expect(await code { () async throws(ClientError) in try await client.attach(to: id) } == expected)
        #expect(await code { () async throws(ClientError) in try await client.standing(of: id) } == expected)
        #expect(await code { () async throws(ClientError) in try await client.cancel(id) } == expected)
        #expect(await code { () async throws(ClientError) in try await client.acknowledge(id) } == expected)
        await client.close()
        await broker.close()
    }

    @Test func `how far a request is can be asked while it is waited for`() async throws {
        let broker = try await broker { verb, count in
            switch verb {
            case "REQUEST": [.accepted]
            case "GET": count == 1 ? [.running] : [.reply]
            default: [.ok]
            }
        }
        let client = try await client()
        async let outcome = client.submit(body, id: id)
        await broker.hear("REQUEST")
        guard case .open(let state) = try await client.standing(of: id) else { throw Unexpected("ended") }
        #expect(state.phase == .running && state.attempts == 2)
        let ended = try await client.standing(of: id)
        #expect(try await ended == .ended(outcome))
        await client.close()
        await broker.close()
    }

    @Test func `cancelling by id gives the end`() async throws {
        let broker = try await broker { verb, _ in verb == "CANCEL" ? [.cancelled] : [.ok] }
        let client = try await client()
        guard case .failure(let failure) = try await client.cancel(id) else { throw Unexpected("a reply") }
        #expect(failure.error.failureClass == .cancelled)
        await client.close()
        await broker.close()
    }

    @Test func `pieces of a stream come in order and each once`() async throws {
        let broker = try await broker { verb, _ in
            guard verb == "REQUEST" else { return [.ok] }
            let pieces = [(1, 0, "a"), (1, 1, "b"), (1, 1, "b"), (2, 0, "c"), (1, 2, "d"), (2, 2, "e")]
            let chunks = pieces.map { Answer("CHUNK", #"{"attempt":\#($0.0),"seq":\#($0.1)}"#, $0.2) }
            return [.accepted] + chunks + [.reply]
        }
        let client = try await client()
        let pieces = Mutex<[String]>([])
        _ = try await client.submit(body, id: id) { chunk in
            let text = "\(chunk.attempt).\(chunk.sequence)\(String(decoding: chunk.body.array, as: UTF8.self))"
            pieces.withLock { $0.append(text) }
        }
        #expect(pieces.withLock { $0 } == ["1.0a", "1.1b", "2.0c", "2.2e"])
        await client.close()
        await broker.close()
    }

    /// Something came that the test has no use for.
    private struct Unexpected: Error, CustomStringConvertible {
        let description: String

        init(_ found: Any) { description = "\(found)" }
    }
}
