import BusProtocol
import CoreTypes
import Glibc
import JSON
import Synchronization
import UnderstudyClient
import ZeroMQ

/// An agent that writes down all it does and can be killed at any moment: its successor reads the log and goes on.
final class TortureAgent: Sendable {
    private let client: UnderstudyClient
    private let log: AgentLogFile
    private let unfinished: [AgentLog.Record]
    private let work: Mutex<TortureWork>
    private let isStopping = Atomic<Bool>(false)
    /// Requests at once.
    private static let lanes = 8

    /// - Parameter onlyFinishes: Whether to begin nothing new from the start.
    init(directory: EndpointDirectory, log path: String, seed: UInt64, onlyFinishes: Bool) async throws {
        unfinished = AgentLog.records(AgentLog.read(path)).filter { !$0.isOver }
        log = try AgentLogFile(path)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let life = SeededGenerator.fresh()
        work = Mutex(TortureWork(seed: seed ^ life, prefix: "\(name).\(getpid()).\(String(life, radix: 36))"))
        client = try await UnderstudyClient.connect(
            UnderstudyClient.Configuration(directory: directory, patience: .seconds(120))
        )
        if onlyFinishes { stop() }
    }

    /// Works until ``stop()``, and then until nothing is open.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for record in unfinished { group.addTask { await self.resume(record) } }
            for _ in 0..<Self.lanes {
                group.addTask {
                    while !self.isStopping.load(ordering: .relaxed) { await self.begin() }
                }
            }
        }
        await client.close()
    }

    /// Begins nothing new.
    func stop() { isStopping.store(true, ordering: .relaxed) }

    private func begin() async {
        let (next, cancelsAfter) = work.withLock { ($0.next(), $0.cancelsAfter()) }
        log.write(.request(next))
        let record = AgentLog.Record(work: next)
        guard let cancelsAfter else { return await resume(record) }
        let task = Task { await resume(record) }
        try? await Task.sleep(for: .milliseconds(cancelsAfter))
        if let id = RequestID(next.id) { _ = try? await client.cancel(id) }
        await task.value
    }

    /// Does what is left to be done for a request, however long it takes.
    private func resume(_ record: AgentLog.Record) async {
        guard let id = RequestID(record.work.id) else { return }
        let isAccepted = Mutex(record.durability != nil)
        var reads = work.withLock { $0.readsTwice() } ? 2 : 1
        while true {
            do throws(ClientError) {
                let outcome: Outcome
                if isAccepted.withLock(\.self) {
                    outcome = try await client.attach(to: id, acknowledgement: .explicit)
                } else {
                    outcome = try await client.submit(
                        Bytes(record.work.body),
                        header: record.work.header,
                        id: id,
                        acknowledgement: .explicit,
                        onAccepted: { [log] durability, isDuplicate in
                            isAccepted.withLock { $0 = true }
                            log.write(.accepted(id: id.text, durability: durability, isDuplicate: isDuplicate))
                        }
                    )
                }
                log.write(Self.entry(outcome))
                reads -= 1
                isAccepted.withLock { $0 = true }
                if reads > 0 { continue }
                try await client.acknowledge(id)
                log.write(.acknowledged(id: id.text))
                return
            } catch {
                switch error.code {
                case .unknown, .gone:
                    log.write(.absent(id: id.text, code: error.code == .gone ? 410 : 404))
                    return
                case .rejected:
                    log.write(.rejected(id: id.text))
                    return
                default:
                    // Nobody is there, or nothing came in time: what the log says holds, and is done again.
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
        }
    }

    private static func entry(_ outcome: Outcome) -> AgentLog.Entry {
        switch outcome {
        case .reply(let reply):
            terminal(reply.id, "reply", meta: reply.meta, [reply.header.array, reply.body.array])
        case .failure(let failure):
            terminal(
                failure.id,
                failure.error.code.symbol,
                meta: failure.error.meta,
                [failure.header.array]
            )
        }
    }

    private static func terminal(
        _ id: RequestID,
        _ outcome: String,
        meta: Bytes?,
        _ parts: [[UInt8]]
    ) -> AgentLog.Entry {
        let object = meta.flatMap { try? JSONValue(parsing: $0.array) }?.objectValue
        return .terminal(
            id: id.text,
            outcome: outcome,
            digest: AgentLog.digest(parts),
            attempts: object?["total_attempts"]?.intValue ?? 0,
            deliveries: object?["deliveries"]?.intValue ?? 0
        )
    }
}

extension SeededGenerator {
    /// A number that no former process had.
    fileprivate static func fresh() -> UInt64 { UInt64.random(in: .min ... .max) }
}
