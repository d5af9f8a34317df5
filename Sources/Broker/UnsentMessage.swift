import BusProtocol
import CoreTypes
import Dispatch
import ZeroMQ

/// A message that goes out at the end of the turn.
struct UnsentMessage {
    /// Where it goes; to a worker without an envelope.
    var path: AgentPath
    var verb: Verb
    var id: [UInt8]
    var header: Bytes
    var body: [Bytes]

    /// Sends it on a ROUTER.
    func send(on socket: Socket) throws(ZeroMQError) -> SendResult {
        let result = try path.connection.send(on: socket)
        guard result == .sent else { return result }
        if path.isLockStep {
            for frame in path.envelope.frames { try socket.send(frame, more: true) }
        }
        try socket.send("UBP/1", more: true)
        try socket.send(verb.bytes, more: true)
        try socket.send(id, more: true)
        try socket.send(header, more: !body.isEmpty)
        for index in body.indices { try socket.send(body[index], more: index < body.count - 1) }
        return .sent
    }

    /// All of its frames, the routing id first.
    var frames: [Bytes] {
        [Bytes(path.connection.routingID)] + path.envelope.frames.map { Bytes($0) }
            + [Bytes("UBP/1"), Bytes(verb.bytes), Bytes(id), header] + body
    }
}
