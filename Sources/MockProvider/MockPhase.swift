/// What happens to the calls of a rule for a while.
public struct MockPhase: Sendable, Hashable {
    /// Most phases of one rule.
    public static let countMax = 100

    /// The phase ends with so many calls that reached it; nil: calls do not end it.
    public var callsMax: Int?

    /// The phase ends so long after it began, at least 1 ms; nil: time does not end it.
    ///
    /// The first phase begins with the first call that reaches the rule, each further one when the one before ended: at
    /// the call that was its last, or when its time was over.
    public var duration: Duration?

    /// Which of the calls the behaviour happens to; counts per model begin anew with each phase.
    public var selector: MockSelector

    /// What happens to the selected calls.
    public var behaviour: MockBehaviour

    /// What happens to the calls that are not selected; nil asks the next rule.
    public var otherwise: MockBehaviour?

    /// Makes a phase; without an end unless told.
    public init(
        calls: Int? = nil,
        duration: Duration? = nil,
        selector: MockSelector = .always,
        behaviour: MockBehaviour,
        otherwise: MockBehaviour? = nil
    ) {
        callsMax = calls.map { max(1, $0) }
        self.duration = duration.map { max(.milliseconds(1), $0) }
        self.selector = selector
        self.behaviour = behaviour
        self.otherwise = otherwise
    }

    /// True when time or calls end the phase.
    var ends: Bool { callsMax != nil || duration != nil }
}
