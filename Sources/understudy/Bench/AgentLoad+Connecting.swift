import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// The connections of the agents to the broker.
extension AgentLoad {
    /// Connects, and waits until the broker answers on every connection.
    func connect(_ directory: EndpointDirectory, context: Context, connections: Int) async throws {
        var options = SocketOptions.agent
        options.sendQueueMax = 0
        options.receiveQueueMax = 0
        options.reconnectInterval = .milliseconds(10)
        for _ in 0..<connections {
            let socket = try Socket(context, .dealer, options)
            try socket.connect(try directory.endpoint("agents.sock"))
            let receiver = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: Limits.frameCountMax,
                onFailure: { self.fail("\($0)") },
                onMessage: { self.receive($0) }
            )
            sockets.append(socket)
            receivers.append(receiver)
        }
        let until = loop.now().advanced(by: .seconds(20))
        for socket in sockets {
            while !ping(socket) {
                guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker cannot be reached") }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        while ponged < sockets.count {
            guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker does not answer") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private func ping(_ socket: Socket) -> Bool {
        do throws(ZeroMQError) {
            guard try socket.send("UBP/1", more: true) == .sent else { return false }
            try socket.send("PING", more: true)
            try socket.send("bench", more: true)
            try socket.send("", more: false)
            return true
        } catch {
            fail("\(error)")
            return true
        }
    }
}
