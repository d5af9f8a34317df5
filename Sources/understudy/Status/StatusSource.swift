import BusProtocol
import CoreTypes
import JSON
import UnderstudyClient
import ZeroMQ

/// Asks a broker about itself.
struct StatusSource: Sendable {
    /// Where its sockets are.
    let directory: EndpointDirectory
    /// Whether to ask for the requests too.
    let withRequests: Bool

    /// The answers, as they came.
    struct Documents: Sendable {
        var health: Bytes
        var workers: Bytes
        var requests: Bytes?
    }

    /// Asks over a connection of its own, which a restart of the broker cannot spoil.
    func read() async throws(ClientError) -> Documents {
        let client = try await UnderstudyClient.connect(
            .init(directory: directory, patience: .zero, answerPatience: StatusCommand.patience)
        )
        let result = await read(client)
        await client.close()
        return try result.get()
    }

    private func read(_ client: UnderstudyClient) async -> Result<Documents, ClientError> {
        do throws(ClientError) {
            let health = try await client.read(.health)
            let workers = try await client.read(.workers)
            let requests = withRequests ? try await client.read(.requests) : nil
            return .success(Documents(health: health, workers: workers, requests: requests))
        } catch {
            return .failure(error)
        }
    }
}

extension StatusSource.Documents {
    /// What people read.
    func reading() throws(ClientError) -> StatusReading {
        try StatusReading(health: health, workers: workers, requests: requests)
    }

    /// One JSON object: `directory`, `health`, `workers`, with `--requests` also `requests`; `truncated` when a list is
    /// not whole.
    func json(directory: String) throws(ClientError) -> JSONValue {
        do throws(JSONError) {
            var object = JSONObject()
            object["directory"] = .string(directory)
            object["health"] = try JSONValue(parsing: health, limits: .body)
            let workers = try JSONValue(parsing: workers, limits: .body)
            object["workers"] = workers["workers"]
            var isTruncated = workers["truncated"]?.boolValue ?? false
            if let requests {
                let requests = try JSONValue(parsing: requests, limits: .body)
                object["requests"] = requests["requests"]
                isTruncated = isTruncated || requests["truncated"]?.boolValue ?? false
            }
            object["truncated"] = .bool(isTruncated)
            return .object(object)
        } catch {
            throw ClientError(.badAnswer, "the broker's account of itself cannot be read: \(error)")
        }
    }
}
