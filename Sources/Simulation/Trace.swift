import BusProtocol
import CoreTypes
import Dispatch

/// What happened, as a hash of everything and, when asked for, as lines for people.
struct Trace {
    let isKeeping: Bool
    private(set) var lines: [String] = []
    /// FNV-1a over the numbers of all events and effects.
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    init(isKeeping: Bool) { self.isKeeping = isKeeping }

    mutating func note(_ now: Moment, _ text: @autoclosure () -> String) {
        fold(UInt64(bitPattern: now.nanoseconds))
        if isKeeping { lines.append("\(Self.time(now))  ---   \(text())") }
    }

    mutating func event(_ now: Moment, _ event: DispatchEvent) {
        fold(UInt64(bitPattern: now.nanoseconds))
        switch event {
        case .agent(let path, _, let message, _):
            fold(1, UInt64(path.connection.value), Self.code(message))
        case .agentDisconnected(let connection): fold(2, UInt64(connection.value))
        case .worker(let connection, let message, _):
            fold(3, UInt64(connection.value), Self.code(message))
        case .workerDisconnected(let connection): fold(4, UInt64(connection.value))
        case .workerProcessGone(let connection): fold(5, UInt64(connection.value))
        case .workerDrained(let connection): fold(6, UInt64(connection.value))
        case .stalled: fold(7)
        case .wake: fold(8)
        case .stop: fold(9)
        case .endAll: fold(10)
        case .committed(let ticket): fold(11, ticket)
        case .acceptancesLost(let jobs, _): fold(12, UInt64(jobs.count))
        }
        if isKeeping { lines.append("\(Self.time(now))  event \(TraceText.text(event))") }
    }

    mutating func effect(_ now: Moment, _ effect: DispatchEffect) {
        switch effect {
        case .answer(let path, _): fold(20, UInt64(path.connection.value))
        case .answerSystem(let path, _): fold(30, UInt64(path.connection.value))
        case .sendTerminal(let path, let job, _): fold(21, UInt64(path.connection.value), job.value)
        case .order(let connection, let message): fold(22, UInt64(connection.value), Self.code(message))
        case .deliver(let connection, let key, _): fold(23, UInt64(connection.value), key.job.value)
        case .keepRequest(let job, _): fold(24, job.value)
        case .keepTerminal(let job): fold(25, job.value)
        case .composeTerminal(let job, let failure): fold(26, job.value, UInt64(failure.attempts))
        case .forget(let job): fold(27, job.value)
        case .drain(let connection): fold(28, UInt64(connection.value))
        case .publish: fold(29)
        case .write(let ticket, _): fold(30, ticket)
        }
        if isKeeping { lines.append("\(Self.time(now))    ->  \(TraceText.text(effect))") }
    }

    private mutating func fold(_ numbers: UInt64...) {
        for number in numbers { hash = (hash ^ number) &* 0x0000_0100_0000_01B3 }
        hash ^= hash >> 31
    }

    private static func time(_ now: Moment) -> String {
        let microseconds = now.nanoseconds / 1000
        let part = String(microseconds % 1_000_000)
        let whole = String(microseconds / 1_000_000)
        return String(repeating: " ", count: max(0, 4 - whole.count)) + whole + "."
            + String(repeating: "0", count: 6 - part.count) + part
    }

    private static func code(_ message: AgentMessage) -> UInt64 {
        switch message {
        case .hello: 1
        case .request(_, let header): 2 + UInt64(header.priority) << 8
        case .cancel: 3
        case .get: 4
        case .acknowledge: 5
        case .task: 6
        case .ping: 7
        case .bye: 8
        }
    }

    private static func code(_ message: WorkerMessage) -> UInt64 {
        switch message {
        case .ready(let ready): 1 + UInt64(ready.held.count) << 8
        case .credit(let total): 2 + total << 8
        case .start(let key): 3 + UInt64(key.attempt) << 8 + key.job.value << 32
        case .chunk: 4
        case .reply(let key): 5 + key.job.value << 8
        case .failure(let key): 6 + key.job.value << 8
        case .returned(let key, _): 7 + key.job.value << 8
        case .beat: 8
        case .event: 9
        case .bye: 10
        }
    }

    private static func code(_ message: BrokerMessage) -> UInt64 {
        switch message {
        case .welcome(let welcome): 1 + UInt64(welcome.keep.count) << 8 + UInt64(welcome.drop.count) << 16
        case .job: 2
        case .go(let key, _): 3 + key.job.value << 8 + UInt64(key.attempt) << 32
        case .noGo(let key, _, _, _): 4 + key.job.value << 8
        case .cancel(let key, _): 5 + key.job.value << 8
        case .acknowledge(let key): 6 + key.job.value << 8
        case .beat: 7
        case .error: 8
        }
    }
}
