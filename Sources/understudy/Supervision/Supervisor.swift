import CoreTypes

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
    var isAnnounced = false
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
}
