import BusProtocol
import CoreTypes

/// What the broker tells about itself. Reading changes nothing, and costs little however much there is.
extension Dispatcher {
    /// Most requests that one read tells of.
    static var systemRequestsMax: Int { 1000 }
    /// Most requests that are looked at for it.
    static var systemScanMax: Int { 4096 }

    /// Notes a number for ``systemRequests(of:now:)``.
    mutating func noteRecent(_ number: JobNumber) {
        if recent.count == 2 * Self.systemScanMax { recent.removeFirst(Self.systemScanMax) }
        recent.append(number)
    }

    /// Answers `GET` of a reserved name.
    func system(
        _ id: RequestID,
        tenant: Tenant,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        switch SystemSubject(id) {
        case .health: effects.append(.answerSystem(path, .health(health(now: now))))
        case .workers: effects.append(.answerSystem(path, .workers(systemWorkers(now: now))))
        case .requests: effects.append(.answerSystem(path, systemRequests(of: tenant, now: now)))
        case nil:
            let known = SystemSubject.allCases.map(\.rawValue).joined(separator: ", ")
            let error = BusError(.unknownRequest, "the broker has no \(id); expected one of \(known)")
            effects.append(.answer(path, .error(id: id.bytes, error)))
        }
    }

    /// The error for every other message with a reserved name.
    static func reserved(_ id: RequestID) -> BusError {
        BusError(.malformed, "the id is \(id); names that begin with sys. belong to the broker and can only be read")
    }

    private func health(now: Moment) -> SystemHealth {
        SystemHealth(
            epoch: configuration.epoch,
            uptime: startedAt.duration(to: now),
            isStopping: isStopping,
            workers: workers.count,
            counters: counters,
            queuedByPriority: queue.countsByPriority,
            gauges: gauges,
            journalRefusal: journalRefusal,
            rejections: rejections.sorted { $0.key.number < $1.key.number }
                .map { SystemHealth.Rejection(code: $0.key, count: $0.value) }
        )
    }

    private var gauges: [SystemHealth.Gauge] {
        [
            SystemHealth.Gauge(limit: .open, used: counters.open, most: configuration.openRequestsMax),
            SystemHealth.Gauge(limit: .openBytes, used: counters.openBytes, most: configuration.openBytesMax),
            SystemHealth.Gauge(limit: .kept, used: counters.kept, most: configuration.keptTerminalsMax),
            SystemHealth.Gauge(limit: .keptBytes, used: keptBytes, most: configuration.keptBytesMax),
            SystemHealth.Gauge(limit: .remembered, used: tombstones.count, most: configuration.tombstonesMax),
        ]
    }

    private func systemWorkers(now: Moment) -> [SystemWorker] {
        workerOrder.sorted { ($0.name, $0.connection.value) < ($1.name, $1.connection.value) }.map { worker in
            SystemWorker(
                name: worker.name,
                pid: worker.pid,
                state: worker.isDraining
                    ? .lost
                    : worker.isDisconnected ? .disconnected : worker.isQuiet ? .quiet : worker.isFull ? .full : .joined,
                capacity: worker.capacity,
                held: worker.held.count,
                credit: worker.credit,
                leaseRemaining: max(.zero, now.duration(to: worker.leaseUntil)),
                sessionAge: worker.readyAt.duration(to: now),
                deliveries: worker.sentTotal
            )
        }
    }

    /// The newest requests of `tenant`. Of a small table all are looked at; of a large one the latest numbers, and what
    /// is older is left out.
    private func systemRequests(of tenant: Tenant, now: Moment) -> SystemSnapshot {
        var own: [Job] = []
        let isSmall = jobs.count <= Self.systemScanMax
        if isSmall {
            own = jobs.values.filter { $0.key.tenant == tenant && gate.isOpen($0.acceptTicket) }.sorted {
                $0.number > $1.number
            }
        } else {
            for number in recent.suffix(Self.systemScanMax).reversed() {
                if let job = jobs[number], job.key.tenant == tenant, gate.isOpen(job.acceptTicket) { own.append(job) }
            }
        }
        var shown: [SystemRequest] = []
        for job in own.prefix(Self.systemRequestsMax) { shown.append(systemRequest(job, now: now)) }
        return .requests(shown, isTruncated: !isSmall || own.count > shown.count)
    }

    /// What the journal has yet to keep has not happened for anyone who asks.
    private func systemRequest(_ job: Job, now: Moment) -> SystemRequest {
        var state = SystemRequest.State.queued
        var worker: String?
        switch job.phase {
        case .queued: break
        case .leased(let holder, let started, _):
            state = started ? .running : .leased
            worker = holder.name
        case .orphaned:
            state = .running
        case .ended(let isReply, _):
            state = !gate.isOpen(job.endTicket) ? .running : isReply ? .replied : .failed
        }
        return SystemRequest(
            id: job.key.id,
            task: job.header.task,
            state: state,
            priority: job.header.priority,
            age: job.acceptedAt.duration(to: now),
            remaining: state != .replied && state != .failed ? max(.zero, now.duration(to: job.expiresAt)) : nil,
            deliveries: job.deliveries,
            attempts: job.attempts,
            worker: worker
        )
    }
}
