import BusProtocol
import CoreTypes
import Dispatch

/// What a journal holds after some marks.
struct JournalModel {
    private(set) var requests: [JobNumber: RestoredRequest] = [:]
    private(set) var forgotten: [(RequestKey, BodyHash, Moment)] = []

    mutating func book(_ mark: JournalMark, now: Moment) {
        switch mark {
        case .accepted(let job, let facts):
            requests[job] = RestoredRequest(
                number: job,
                facts: facts,
                acceptedAt: now,
                expiresAt: now.advanced(by: facts.header.deadline)
            )
        case .started(let key):
            requests[key.job]?.started.append(key)
        case .died(let job, let deaths):
            requests[job]?.deaths = deaths
        case .ended(let job, let brokerClass):
            requests[job]?.ending = RestoredRequest.Ending(
                isReply: brokerClass == nil,
                brokerClass: brokerClass,
                at: now
            )
        case .forgotten(let job, let remember):
            guard let request = requests.removeValue(forKey: job) else { return }
            forgotten.append((request.facts.key, request.facts.body.hash, now.advanced(by: remember)))
        }
    }
}

extension JournalMark {
    /// The request it is about.
    var job: JobNumber {
        switch self {
        case .accepted(let job, _), .died(let job, _), .ended(let job, _), .forgotten(let job, _): job
        case .started(let key): key.job
        }
    }
}
