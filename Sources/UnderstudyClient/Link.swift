import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// The client's socket and its monitor. For the loop's thread.
final class Link {
    private let socket: Socket
    private let monitor: Monitor
    private let receiver: LoopSocket
    private let connector: BrokerConnector

    /// Begins to connect to the broker of `directory`.
    ///
    /// - Parameters:
    ///   - onConnection: A connection is ready, the first or another one.
    ///   - onFailure: Nothing can be received any more: a `ZeroMQError`, or an `EndpointError` when the directory is not
    ///     to be trusted.
    ///   - onMessage: Gets each message.
    /// - Throws: The same, or a `SystemError`.
    init(
        directory: EndpointDirectory,
        loop: EventLoop,
        onConnection: @escaping () -> Void,
        onFailure: @escaping (any Error) -> Void,
        onMessage: @escaping (AgentInbound) -> Void
    ) throws {
        var options = SocketOptions.agent
        // Bounded by the requests that the client lets in; a limit here would only make sending fail at times.
        options.sendQueueMax = 0
        options.receiveQueueMax = 0
        let socket = try Socket(try Context(), .dealer, options)
        self.socket = socket
        monitor = try Monitor(of: socket)
        receiver = try LoopSocket(
            socket,
            on: loop,
            frameCountMax: Limits.frameCountMax,
            onFailure: onFailure
        ) { message in
            // A verb or header of a newer broker that is not known here is one that nobody here waits for.
            guard let inbound = try? AgentInbound.decode(ReceivedFrames(message: message)) else { return }
            onMessage(inbound)
        }
        let connector = try BrokerConnector(socket, to: "agents.sock", in: directory, on: loop, onFailure: onFailure)
        self.connector = connector
        try monitor.attach(to: loop) { event in
            guard event.kind == .handshakeSucceeded else { return }
            do throws(EndpointError) {
                try connector.confirm()
            } catch {
                return onFailure(error)
            }
            // Asking makes the socket take notice of its new peer, which a send may put off.
            _ = try? socket.events()
            onConnection()
        }
    }

    /// Sends a message; false when there is no connection.
    func send(_ message: OutgoingMessage) -> Bool {
        let head = [ProtocolVersion.bytes, message.verb.bytes, message.id, message.header].map { Bytes($0) }
        do throws(ZeroMQError) {
            return try socket.send(head + message.body) == .sent
        } catch {
            // The receiver meets the same trouble and tells.
            return false
        }
    }

    /// Ends the connection.
    func close() {
        connector.cancel()
        receiver.detach()
        monitor.close()
        socket.close()
    }
}
