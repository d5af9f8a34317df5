/// What happens to the processes of a bus, and what is to be done about it.
extension Supervisor {
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
}
