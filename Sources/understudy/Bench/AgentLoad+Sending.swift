import CoreTypes
import EventLoop
import ZeroMQ

/// What agents send, and when.
extension AgentLoad {
    func begin(_ pace: Pace, count: Int) {
        self.pace = pace
        sentMax = count == .max ? .max : sent + count
        heardAt = loop.now()
        attempt { () throws(ZeroMQError) in
            switch pace {
            case .still: break
            case .lockStep: try send(due: Machine.nanoseconds)
            case .window(let window):
                while sent < sentMax, sent - ended < window { try send(due: Machine.nanoseconds) }
            case .even: paceOn()
            }
        }
        watch()
    }

    /// Sends what is due by now, and comes back when the next is.
    private func paceOn() {
        pacer = nil
        guard case .even(let interval, let begun, let first) = pace, trouble == nil else { return }
        let now = Machine.nanoseconds
        var next = begun
        attempt { () throws(ZeroMQError) in
            while trouble == nil {
                next = begun + Int64(Double(sent - first) * interval)
                guard next <= now else { return }
                try send(due: next)
            }
        }
        pacer = loop.schedule(at: Moment(nanoseconds: next)) { self.paceOn() }
    }

    func send(due moment: Int64) throws(ZeroMQError) {
        guard sent - ended < Self.openMax else { return fail("\(Self.openMax) requests are open") }
        due[sent & (Self.openMax - 1)] = moment
        let socket = sockets[sent % sockets.count]
        try socket.send("UBP/1", more: true)
        try socket.send("REQUEST", more: true)
        try socket.send(id(of: sent), more: true)
        try socket.send(header, more: true)
        try socket.send(body, more: isStamped)
        if isStamped { try socket.send(BenchMessages.stamp(moment)) }
        sent += 1
        tally.messages += 1
    }

    func id(of number: Int) -> [UInt8] {
        var id = prefix
        for shift in stride(from: 28, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
            id.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
        return id
    }
}
