import CoreTypes
import EventLoop
import HTTPTransport
import MockProvider
import Testing

/// The mock as the worker meets it: through libcurl, many calls at once.
@Suite struct MockTransportTests {
    private func request(_ baseURL: String, _ model: String, id: String) -> HTTPRequest {
        HTTPRequest(
            method: .post,
            url: baseURL + "/chat/completions",
            headers: [("content-type", "application/json"), ("x-understudy-request-id", id)],
            body: Bytes(#"{"model":"\#(model)","messages":[{"role":"user","content":"hi"}]}"#)
        )
    }

    @Test(.timeLimit(.minutes(10))) func eachOfManyRequestsFailsTwiceAndIsCountedThrice() async throws {
        let mock = try MockFixture()
        let loop = try EventLoop(name: "client test")
        let client = try HTTPClient(
            loop: loop,
            configuration: HTTPTransport.Configuration(connectionsPerHostMax: 64, proxyFromEnvironment: false)
        )
        let baseURL = mock.provider.baseURL
        let histories = await withTaskGroup(of: [Int].self) { group in
            for number in 0..<200 {
                group.addTask {
                    var statuses: [Int] = []
                    for _ in 0..<3 {
                        let call = request(baseURL, "fail-first-2:status-503+1-5", id: "t/\(number)")
                        statuses.append((try? await client.send(call).status) ?? 0)
                    }
                    return statuses
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(histories.count == 200)
        #expect(histories.allSatisfy { $0 == [503, 503, 200] })
        let counts = mock.provider.counts()
        #expect(counts.total == 600)
        #expect(counts.requests.count == 200)
        #expect(counts.requests.values.allSatisfy { $0 == 3 })
        #expect(counts.statuses == ["503": 400, "200": 200])
        await client.shutDown()
        loop.shutDown()
    }

    @Test(
        .timeLimit(.minutes(10)),
        arguments: [
            ("reset-before", TransportError.Code.closedBeforeHead),
            ("reset-after-head", .closedMidBody),
            ("truncated", .closedMidBody),
        ]
    )
    func faultOfTheConnectionIsSeenAsSuch(model: String, code: TransportError.Code) async throws {
        let mock = try MockFixture()
        let loop = try EventLoop(name: "client test")
        let client = try HTTPClient(
            loop: loop,
            configuration: HTTPTransport.Configuration(proxyFromEnvironment: false)
        )
        do throws(TransportError) {
            _ = try await client.send(request(mock.provider.baseURL, model, id: "t/1"))
            Issue.record("expected no response")
        } catch {
            #expect(error.code == code)
        }
        #expect(mock.provider.calls(ofRequest: "t/1") == [model: 1])
        await client.shutDown()
        loop.shutDown()
    }
}
