import BusProtocol
import CoreTypes
import Resilience

/// Judges the steps of one delivery's engine by what the design promises of retries, fallbacks, deadlines and cancel.
struct CallWatch {
    /// Failures after which the same model may be asked again.
    private static let transient: Set<FailureClass> = [
        .rateLimited, .overloaded, .serverError, .badGateway, .timeout, .connection, .malformedResponse,
    ]

    private struct Failure {
        var failureClass: FailureClass
        var hint: Duration
        var at: Moment
    }

    private let chain: ModelChain
    private let policy: RetryPolicy
    private let deadline: Moment
    /// The place in the chain of the model that was asked last; -1 before the first.
    private var place = -1
    private var attempts = 0
    private var isCalling = false
    /// How the last call failed.
    private var failure: Failure?

    init(_ engine: CallEngine) {
        chain = engine.chain
        policy = engine.policy
        deadline = engine.deadline
    }

    /// Judges what the engine made of an input, and the timer it asks for after it. Tells which rule was broken, and how.
    mutating func check(
        _ input: CallInput,
        _ step: CallStep,
        nextTimer: Moment?,
        now: Moment
    ) -> (rule: String, message: String)? {
        let wasCalling = isCalling
        switch input {
        case .attemptFailed(let reason) where isCalling:
            failure = Failure(failureClass: reason.failureClass, hint: reason.hint ?? .zero, at: now)
            isCalling = false
        case .attemptSucceeded:
            isCalling = false
        default: break
        }
        switch step {
        case .requestGo(let plan):
            if let message = checkModel(plan.model) ?? checkTime(now) { return ("retries follow the policy", message) }
        case .startCall(let plan):
            isCalling = true
            attempts += 1
            guard now < deadline, plan.timers.attempt <= now.duration(to: deadline) else {
                return ("workers keep the deadline", "a call of \(plan.timers.attempt) at \(now), deadline \(deadline)")
            }
        case .finish, .abortCall:
            if case .cancel = input, wasCalling, case .finish = step {
                return ("cancel is real", "a call was left open")
            }
            if case .attemptFailed = input, now < deadline, let next = nextPlace, mayMove {
                return ("retries follow the policy", "the end, and \(chain.links[next].name) was not asked")
            }
            return nil
        case .wait, .ignore:
            if case .cancel = input { return ("cancel is real", "the engine went on") }
        }
        guard let nextTimer, nextTimer <= deadline else {
            let timer = nextTimer.map { "\($0)" } ?? "none"
            return ("workers keep the deadline", "the next timer is \(timer), deadline \(deadline)")
        }
        if case .timerFired = input, now >= deadline {
            return ("workers keep the deadline", "\(step) at \(now), deadline \(deadline)")
        }
        return nil
    }

    /// The place after the last one whose model can be called.
    private var nextPlace: Int? {
        chain.links.indices.first { $0 > place && chain.links[$0].facts.skip == nil }
    }

    /// Whether the last failure lets another model try.
    private var mayMove: Bool {
        switch failure?.failureClass {
        case .contentPolicy: false
        case .invalidRequest: place > 0
        default: true
        }
    }

    /// Whether the last failure lets the same model try again.
    private var mayRetry: Bool {
        guard let failure else { return false }
        return Self.transient.contains(failure.failureClass) && attempts < policy.attemptsPerModel
            && failure.hint <= policy.hintCap
    }

    /// Notes that `model` is asked, and tells what is wrong with that.
    private mutating func checkModel(_ model: ModelName) -> String? {
        if place >= 0, model == chain.links[place].name {
            guard let failure else { return nil }
            if !mayRetry { return "\(model) is asked after \(failure.failureClass) and \(attempts) attempts" }
            return nil
        }
        guard let next = nextPlace, model == chain.links[next].name else {
            return "\(model) is asked, and it is not its turn"
        }
        if let failure {
            if !mayMove { return "\(model) is asked after \(failure.failureClass)" }
            if mayRetry, failure.at.advanced(by: max(policy.backoffCap, failure.hint)) < deadline {
                return "\(model) is asked, \(chain.links[place].name) had \(attempts) attempts"
            }
        } else if place >= 0 {
            return "\(model) is asked, and \(chain.links[place].name) did not fail"
        }
        place = next
        attempts = 0
        failure = nil
        return nil
    }

    /// What is wrong with asking now; after a failure only what names a time for the same model.
    private func checkTime(_ now: Moment) -> String? {
        guard let failure, now < failure.at.advanced(by: failure.hint) else { return nil }
        return "asked at \(now), the provider named \(failure.hint) at \(failure.at)"
    }
}
