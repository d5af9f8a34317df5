import CoreTypes
import Glibc

/// Decides when the processes of a bus are started, started again and stopped. Does nothing itself.
///
/// Start: role by role in the order of ``Role``, each when all before it are ready; then the bus is announced. A child
/// that ends by itself is started again after a wait of 0.2 s that doubles to 10 s, and is 0.2 s again after a life of
/// 30 s. Before the announcement a child that ends for good (wrong configuration, directory in use), or too often, ends
/// everything: there is somebody to read why.
///
/// Stop: role by role in ``stopOrder``, so that workers drain into a broker that is still there, and the collector hears
/// the last of it. Each stage gets SIGTERM; after its patience SIGTERM again, which means "now"; after ``killPatience``
/// SIGKILL. While workers drain, a broker that is down is started again: they can leave what they have nowhere else. A
/// second request to stop kills everything.
///
/// Renewal: child by child in ``renewalOrder``, each when the successor of the one before is ready; the signals are those
/// of a stop, for a worker after one that lets it end its calls beside its successor.
struct Supervisor {
    /// What a child does, in the order of start.
    enum Role: CaseIterable, Sendable {
        case mock, broker, collector, worker
    }

    /// The order in which roles are stopped.
    static let stopOrder: [Role] = [.worker, .broker, .collector, .mock]

    /// One child, whichever process it is at the moment.
    struct Child: Hashable, Sendable, CustomStringConvertible {
        var role: Role
        /// From 1 on; 0 for a role that has one child.
        var number = 0
        /// True for the process that ends its calls while that of the same role and number has taken its place.
        var isOld = false

        /// The same as an old one.
        var old: Child { Child(role: role, number: number, isOld: true) }

        var description: String { (isOld ? "old " : "") + (number == 0 ? "\(role)" : "\(role).\(number)") }
    }

    /// How a process ended.
    enum Ending: Hashable, Sendable, CustomStringConvertible {
        case status(Int32)
        case signal(CInt)
        /// It could not be started at all.
        case notStarted(String)

        var description: String {
            switch self {
            case .status(let status): "ended with status \(status)"
            case .signal(let number): "was ended by signal \(number)"
            case .notStarted(let reason): "could not be started (\(reason))"
            }
        }
    }

    /// What happened.
    enum Event: Sendable {
        /// Begin; once, first.
        case start
        /// The child said that it is ready.
        case ready(Child)
        /// The child's process is gone and reaped, or never came to be.
        case ended(Child, Ending)
        /// Somebody wants the bus to stop; the second time, at once.
        case stopRequested
        /// Somebody wants every process replaced by a new one, of a new version perhaps.
        case renewalRequested
        /// A moment that ``nextTimer`` named has come.
        case timer
    }

    /// What to do.
    enum Effect: Hashable, Sendable {
        /// Start the child's process.
        case spawn(Child)
        /// Make the child's process its old one: what it does from here on is told of ``Child/old``.
        case setAside(Child)
        /// Send a signal to the child's process.
        case signal(Child, CInt)
        /// Tell that the bus is usable.
        case announce
        /// Tell a person.
        case say(String)
        /// All children are gone. Comes once, last.
        case finish(ExitStatus)
    }

    /// Which children there are.
    struct Plan: Sendable {
        /// Number of workers, at least 1.
        var workers: Int
        /// Whether there is a mock provider.
        var hasMock = false
        /// How long a worker may take to finish what it has.
        var drain: Duration = .seconds(30)
        /// Longest wait before a child that ended is started again.
        var backoffCap: Duration = Supervisor.backoffCap
    }

    static let backoffBase: Duration = .milliseconds(200)
    static let backoffCap: Duration = .seconds(10)
    /// A life at least as long makes the next wait the shortest again.
    static let steadyLife: Duration = .seconds(30)
    /// Longest time from the start of a process until it is ready.
    static let startPatience: Duration = .seconds(30)
    /// Ends in a row after which a child is given up, before the announcement.
    static let startFailuresMax = 5
    /// How long a role other than the workers may take to end.
    static let endPatience: Duration = .seconds(5)
    /// Time from the second SIGTERM to SIGKILL.
    static let killPatience: Duration = .seconds(5)

    enum Phase: Hashable {
        /// Before its turn. To starting, gone.
        case waiting
        /// The process runs but is not ready. To running, resting, gone.
        case starting(since: Moment)
        /// The process is ready. To resting, gone.
        case running(since: Moment)
        /// The process ended; the next is started later. To starting, gone.
        case resting(until: Moment)
        /// There will be no further process.
        case gone
    }

    struct Record {
        var phase = Phase.waiting
        var failures = 0

        var isAlive: Bool {
            switch phase {
            case .starting, .running: true
            case .waiting, .resting, .gone: false
            }
        }
    }

    enum Goal: Hashable {
        /// Everything is to run.
        case run
        /// The children of `role` are to end, and then those behind it in ``stopOrder``; they got `reminders` signals.
        case stop(Role, reminders: Int, next: Moment)
        /// Everything was killed.
        case kill
        /// Nothing is left.
        case finished
    }

    let plan: Plan
    /// In the order of start.
    let order: [Child]
    var records: [Child: Record]
    var goal = Goal.run
    private(set) var isAnnounced = false
    /// The renewal under way.
    var renewal: Renewal?
    /// Old processes, at most one of each worker.
    var retirees: [Retiree] = []
    /// What the process ends with.
    var status = ExitStatus.ok

    /// Makes a supervisor of the children in `plan`; none runs yet.
    init(plan: Plan) {
        precondition(plan.workers >= 1, "a bus of \(plan.workers) workers")
        self.plan = plan
        var order: [Child] = plan.hasMock ? [Child(role: .mock)] : []
        order += [Child(role: .broker), Child(role: .collector)]
        order += (1...plan.workers).map { Child(role: .worker, number: $0) }
        self.order = order
        records = Dictionary(uniqueKeysWithValues: order.map { ($0, Record()) })
    }

    /// When ``Event/timer`` is due; nil for never.
    var nextTimer: Moment? {
        let moments: [Moment] =
            switch goal {
            case .run:
                order.compactMap { moment(of: $0) } + [renewal?.next ?? .distantFuture] + retirees.map(\.notice.next)
            case .stop(.worker, _, let next): [next] + (moment(of: Self.broker).map { [$0] } ?? [])
            case .stop(_, _, let next): [next]
            case .kill, .finished: []
            }
        return moments.min().flatMap { $0 == .distantFuture ? nil : $0 }
    }

    /// When something is to be done for `child` by itself; nil for never.
    private func moment(of child: Child) -> Moment? {
        switch records[child]?.phase {
        case .starting(let since): since.advanced(by: Self.startPatience)
        case .resting(let until): until
        case .waiting, .running, .gone, nil: nil
        }
    }

    /// Takes in an event and says what to do, in this order.
    mutating func handle(_ event: Event, now: Moment) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .start:
            advance(now, &effects)
        case .ready(let child):
            becomeReady(child, now, &effects)
        case .ended(let child, let ending):
            end(child, ending, now, &effects)
        case .stopRequested:
            stopRequested(now, &effects)
        case .renewalRequested:
            renew(now, &effects)
        case .timer:
            timer(now, &effects)
        }
        return effects
    }

    // MARK: Running

    /// Starts what may start now, and announces when all run for the first time.
    private mutating func advance(_ now: Moment, _ effects: inout [Effect]) {
        guard goal == .run, !isAnnounced else { return }
        for role in Role.allCases {
            let children = order.filter { $0.role == role }
            for child in children where records[child]?.phase == .waiting { spawn(child, now, &effects) }
            guard children.allSatisfy({ isRunning($0) }) else { return }
        }
        isAnnounced = true
        effects.append(.announce)
    }

    mutating func spawn(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        records[child]?.phase = .starting(since: now)
        effects.append(.spawn(child))
    }

    func isRunning(_ child: Child) -> Bool {
        guard case .running = records[child]?.phase else { return false }
        return true
    }

    private mutating func becomeReady(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        guard case .starting(let since) = records[child]?.phase else { return }
        records[child]?.phase = .running(since: since)
        if isAnnounced { effects.append(.say("\(child) is back")) }
        if isStoppingWorkers, child.role == .broker { effects.append(.signal(child, SignalSource.quiet)) }
        advance(now, &effects)
        renewed(child, now, &effects)
    }

    private mutating func end(_ child: Child, _ ending: Ending, _ now: Moment, _ effects: inout [Effect]) {
        if child.isOld { return retired(child, ending, now, &effects) }
        guard let record = records[child], record.isAlive else { return }
        switch goal {
        case .run:
            if !replace(child, now, &effects) { lose(child, record, ending, now, &effects) }
        case .stop where isStoppingWorkers && child.role == .broker:
            rest(child, record, ending, now, &effects)
        case .stop, .kill:
            records[child]?.phase = .gone
            advanceStop(now, &effects)
        case .finished:
            break
        }
    }

    /// A child ended that nobody told to.
    private mutating func lose(
        _ child: Child,
        _ record: Record,
        _ ending: Ending,
        _ now: Moment,
        _ effects: inout [Effect]
    ) {
        guard !isAnnounced, let reason = fatal(ending, failures(of: child, record, now)) else {
            return rest(child, record, ending, now, &effects)
        }
        records[child]?.phase = .gone
        effects.append(.say("\(child) \(ending); stopping"))
        beginStop(reason, now, &effects)
    }

    /// Has a child that ended started again after its wait.
    private mutating func rest(
        _ child: Child,
        _ record: Record,
        _ ending: Ending,
        _ now: Moment,
        _ effects: inout [Effect]
    ) {
        let failures = failures(of: child, record, now)
        let wait = min(plan.backoffCap, Self.backoff(failures))
        records[child]?.failures = failures
        records[child]?.phase = .resting(until: now.advanced(by: wait))
        effects.append(.say("\(child) \(ending); starting it again in \(Double(wait.wholeMilliseconds) / 1000) s"))
    }

    /// Ends in a row, with the one of now.
    private func failures(of child: Child, _ record: Record, _ now: Moment) -> Int {
        guard case .running(let since) = record.phase, since.duration(to: now) >= Self.steadyLife else {
            return record.failures + 1
        }
        return 1
    }

    /// The status to end with when it is no use to go on; nil when it is.
    private func fatal(_ ending: Ending, _ failures: Int) -> ExitStatus? {
        if case .status(let number) = ending, let status = ExitStatus(rawValue: number), status.isPermanent {
            return status
        }
        return failures >= Self.startFailuresMax ? .trouble : nil
    }

    /// The wait before the start that follows the `failures`th end in a row.
    static func backoff(_ failures: Int) -> Duration {
        // 0.2 s doubled 6 times is above the cap.
        min(backoffCap, backoffBase * (1 << min(failures - 1, 10)))
    }

    // MARK: Time

    private mutating func timer(_ now: Moment, _ effects: inout [Effect]) {
        switch goal {
        case .run:
            remindReplaced(now, &effects)
            for child in order { tend(child, now, &effects) }
        case .stop(let role, let reminders, let next):
            if role == .worker { tend(Self.broker, now, &effects) }
            if next <= now { remind(role, reminders: reminders, now, &effects) }
        case .kill, .finished:
            break
        }
    }

    /// Starts `child` when its wait is over, and kills it when it takes too long to become ready.
    private mutating func tend(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        switch records[child]?.phase {
        case .resting(let until) where until <= now:
            spawn(child, now, &effects)
        case .starting(let since) where since.advanced(by: Self.startPatience) <= now:
            // Its end is reported as any other; until then the patience begins anew.
            records[child]?.phase = .starting(since: now)
            effects.append(.say("\(child) is not ready after \(Self.startPatience); killing it"))
            effects.append(.signal(child, SIGKILL))
        case .waiting, .starting, .running, .resting, .gone, nil:
            break
        }
    }
}
