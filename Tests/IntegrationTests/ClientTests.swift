import BusProtocol
import CoreTypes
import Glibc
import Testing
import UnderstudyClient
import ZeroMQ

/// The Swift client on a bus of real processes.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ClientTests {
    private func body(_ model: String, _ text: String = "Hello?") -> Bytes {
        Bytes(#"{"model":"\#(model)","messages":[{"role":"user","content":"\#(text)"}]}"#)
    }

    private func client(_ bus: LiveBus) async throws -> UnderstudyClient {
        let directory = try EndpointDirectory(path: bus.directory.path)
        return try await .connect(.init(directory: directory, patience: .seconds(120)))
    }

    /// Waits until the broker knows a request. It may have ended by then: the machine may be slow.
    private func waitUntilKnown(_ id: RequestID, _ client: UnderstudyClient) async throws {
        while true {
            try Task.checkCancellation()
            do throws(ClientError) {
                _ = try await client.standing(of: id)
                return
            } catch {
                guard error.code == .unknown else { throw error }
            }
        }
    }

    @Test func requestsOutliveTheBrokerAndCanBeTakenUpByOthers() async throws {
        let bus = try await LiveBus(["--mock"])
        let client = try await client(bus)
        let other = try await self.client(bus)

        // Another connection follows, reads and acknowledges what this one sent.
        let shared = RequestID.random()
        async let submitted = client.submit(body("mock/ok+700"), id: shared, acknowledgement: .explicit)
        try await waitUntilKnown(shared, other)
        let attached = try await other.attach(to: shared, acknowledgement: .explicit)
        #expect(try await submitted == attached)
        #expect(try await other.standing(of: shared) == .ended(attached))
        try await other.acknowledge(shared)
        await #expect(throws: ClientError.self) { try await client.attach(to: shared) }

        // Cancelled here, over there.
        let silent = RequestID.random()
        let waiting = Task { try await client.submit(body("mock/silent"), id: silent) }
        try await waitUntilKnown(silent, other)
        waiting.cancel()
        await #expect(throws: ClientError.self) { try await waiting.value }
        do throws(ClientError) {
            let ended = try await other.attach(to: silent)
            guard case .failure(let failure) = ended else {
                Issue.record("\(ended)")
                return
            }
            #expect(failure.error.failureClass == .cancelled)
        } catch {
            // The one that cancelled it has acknowledged it already.
            #expect(error.code == .gone)
        }

        // The broker dies with requests in hand; the next one gets or has them.
        let before = try await client.hello()
        let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
            let first = RequestID.random()
            group.addTask { try await client.submit(body("mock/ok+700"), id: first) }
            for _ in 0..<20 { group.addTask { try await client.submit(body("mock/ok+700")) } }
            try await waitUntilKnown(first, other)
            let broker = try #require(ProcessTable.find("broker", bus.directory.path))
            kill(broker, SIGKILL)
            for _ in 0..<20 { group.addTask { try await client.submit(body("mock/ok")) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count == 41)
        for outcome in outcomes {
            guard case .reply = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
        #expect(try await client.hello().epoch > before.epoch)

        await other.close()
        await client.close()
        try await bus.stop()
    }
}
