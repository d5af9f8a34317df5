import BusProtocol
import CoreTypes
import EventLoop
import HTTPTransport
import Resilience

// The calls to providers.
extension Worker {
    func call(_ key: DeliveryKey, _ plan: AttemptPlan) {
        guard let transport, let delivery = session.deliveries[key], let request = delivery.request else { return }
        let message = options.rules.httpRequest(plan, owner: delivery.owner, request)
        let collector = AnswerCollector(transport, on: loop) { self.callEnded(key, plan, $0) }
        calls[key] = transport.start(message, handler: collector)
    }

    private func callEnded(_ key: DeliveryKey, _ plan: AttemptPlan, _ result: Result<HTTPResponse, TransportError>) {
        let outcome: CallResult
        let time = time
        switch result {
        case .success(let response):
            outcome = options.rules.read(response, from: plan.model, wallNow: time.wall)
        case .failure(let error):
            switch TransportVerdict(error) {
            case .closed: return
            case .failed(let failure): outcome = .failed(failure)
            case .notBegun:
                calls[key] = nil
                if error.code == .outOfDescriptors { tellOfDescriptors(error, now: time.now) }
                loop.schedule(at: time.now.advanced(by: Self.pause)) {
                    if self.session.isCalling(key, attempt: plan.attempt) { self.call(key, plan) }
                }
                return
            }
        }
        if session.isCalling(key, attempt: plan.attempt) { calls[key] = nil }
        decide { $0.callEnded(key, attempt: plan.attempt, outcome, time, into: &$1) }
    }

    private func tellOfDescriptors(_ error: TransportError, now: Moment) {
        if let told = toldOfDescriptorsAt, told.duration(to: now) < Self.descriptorsSilence { return }
        toldOfDescriptorsAt = now
        let advice = #"raise ulimit -n, or lower "worker_capacity""#
        report(.note("calls wait for file descriptors: \(error.message); \(advice)"))
    }
}
