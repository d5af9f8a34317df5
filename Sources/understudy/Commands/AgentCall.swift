import UnderstudyClient
import ZeroMQ

/// A command that talks to the broker as an agent does, once; Ctrl-C ends it.
enum AgentCall {
    /// How long no broker may be there: a moment, in which `up` renews it.
    private static let patience: Duration = .seconds(1)

    /// Runs `body` with a client that hardly waits for a broker, and ends the process with what it gives; nil for well.
    ///
    /// - Parameter stopped: What is said after Ctrl-C.
    static func run(
        _ name: String,
        _ directory: EndpointDirectory,
        stopped: String,
        _ body: @escaping @Sendable (UnderstudyClient) async throws(ClientError) -> CommandFailure?
    ) throws {
        try ServiceHost.run(name, child: .none) { _, control in
            let work = Task {
                do throws(ClientError) {
                    let client = try await UnderstudyClient.connect(.init(directory: directory, patience: patience))
                    let result: Result<CommandFailure?, ClientError>
                    do throws(ClientError) {
                        result = .success(try await body(client))
                    } catch {
                        result = .failure(error)
                    }
                    await client.close()
                    control.end(try result.get())
                } catch  where error.code == .cancelled {
                    control.end(CommandFailure(.failed, stopped))
                } catch {
                    control.end(CommandFailure(error))
                }
            }
            return { urgency in
                switch urgency {
                case .quiet, .renew: break
                case .graceful: work.cancel()
                case .now: control.end(CommandFailure(.failed, "stopped"))
                }
            }
        }
    }
}
