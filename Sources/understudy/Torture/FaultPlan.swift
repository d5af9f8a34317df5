import CoreTypes

/// Which fault comes next, and after which pause: one seed, one order of faults.
///
/// When each of them strikes is real time, so a seed repeats the faults and not the run.
struct FaultPlan {
    /// Whom faults may hit.
    enum Victim: String, CaseIterable, Sendable {
        case agent, worker, broker
    }

    /// What happens to a process.
    enum Fault: Hashable, Sendable {
        /// SIGKILL.
        case kill
        /// SIGSTOP, and SIGCONT so much later.
        case freeze(Duration)
        /// SIGTERM: a worker drains.
        case drain
        /// SIGHUP of the whole bus: every process is replaced.
        case renewal
    }

    /// A fault with its victim; `lot` chooses among those of the role.
    struct Strike: Hashable, Sendable {
        var victim: Victim
        var lot: UInt64
        var fault: Fault
        /// Pause before it.
        var pause: Duration
    }

    private var random: SeededGenerator
    private let victims: [Victim]

    /// - Parameter victims: At least one.
    init(seed: UInt64, victims: [Victim]) {
        precondition(!victims.isEmpty, "a plan without victims")
        random = SeededGenerator(seed: seed)
        self.victims = victims
    }

    /// The next strike. Three in four are kills; freezes go up to more than a lease of the bus under torture, so that some
    /// are taken for deaths.
    mutating func next() -> Strike {
        let victim = victims[Int.random(in: 0..<victims.count, using: &random)]
        let lot = random.next()
        let fault: Fault
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<75: fault = .kill
        case 75..<92: fault = .freeze(.milliseconds(Int.random(in: 20...3000, using: &random)))
        case 92..<98: fault = victim == .worker ? .drain : .kill
        default: fault = victim == .agent ? .kill : .renewal
        }
        return Strike(
            victim: victim,
            lot: lot,
            fault: fault,
            pause: .milliseconds(Int.random(in: 20...500, using: &random))
        )
    }
}
