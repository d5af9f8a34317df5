import Benchmarks
import ZeroMQ

/// What agents hear, and what follows from it.
extension AgentLoad {
    func receive(_ message: Multipart) {
        guard message.count >= 4 else { return fail("an answer has \(message.count) frames") }
        let (size, first) = unsafe message.withBytes(at: 1) { verb in
            (verb.count, unsafe verb.first ?? 0)
        }
        tally.messages += 1
        switch (size, first) {
        case (2, UInt8(ascii: "O")):
            settleOne()
        case (5, UInt8(ascii: "R")):
            end(message, isReply: true)
        case (7, UInt8(ascii: "F")):
            end(message, isReply: false)
        case (8, UInt8(ascii: "R")):
            tally.failures += 1
            ended += 1
            settleOne()
            goOn()
        case (8, UInt8(ascii: "A")):
            break
        case (4, UInt8(ascii: "P")):
            ponged += 1
        default:
            let header = unsafe message.withBytes(at: 3) { unsafe String(decoding: $0, as: UTF8.self) }
            fail("the broker answered \(header)")
        }
    }

    private func end(_ message: Multipart, isReply: Bool) {
        var number = 0
        unsafe message.withBytes(at: 2) { id in
            for index in id.indices.suffix(8) {
                let digit = unsafe id[index]
                number = number << 4 | Int(digit < 0x3A ? digit - 0x30 : digit - 0x57)
            }
        }
        ended += 1
        if isReply {
            tally.replies += 1
            tally.latencies.add(nanoseconds: Machine.nanoseconds - due[number & (Self.openMax - 1)])
        } else {
            tally.failures += 1
        }
        let socket = sockets[number % sockets.count]
        attempt { () throws(ZeroMQError) in
            try socket.send("UBP/1", more: true)
            try socket.send("ACK", more: true)
            try socket.send(id(of: number), more: true)
            try socket.send("")
        }
        tally.messages += 1
        goOn()
    }

    private func goOn() {
        guard case .window(let window) = pace else { return }
        attempt { () throws(ZeroMQError) in
            while sent < sentMax, sent - ended < window { try send(due: Machine.nanoseconds) }
        }
    }
}
