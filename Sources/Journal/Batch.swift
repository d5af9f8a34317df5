import BusProtocol

/// The entries of one commit, brought together by job: what is written and deleted again within the batch costs nothing.
struct Batch {
    /// What becomes of one job. The parts are in the order of the fields.
    struct Change {
        let number: JobNumber
        var accepted: AcceptedRequest?
        var started: [DeliveryKey] = []
        var deaths = 0
        var ended: Ended?
        var rememberedUntil: Int64?
    }

    struct Ended {
        var terminal: StoredTerminal
        var failureClass: FailureClass?
        var time: Int64
    }

    /// In the order of their first entries, except that jobs that are forgotten stand in the order of forgetting.
    private(set) var changes: [Change] = []
    /// Changes that forget their job.
    private(set) var forgottenCount = 0

    init(_ entries: [JournalEntry]) {
        var open: [JobNumber: Change] = [:]
        var order: [JobNumber] = []
        for entry in entries {
            let number = entry.job
            if case .accepted(let request) = entry {
                // An acceptance opens a change; one that comes late stands after what came before it.
                if let earlier = open.removeValue(forKey: number) {
                    changes.append(earlier)
                } else {
                    order.append(number)
                }
                open[number] = Change(number: number, accepted: request)
                continue
            }
            if open[number] == nil {
                open[number] = Change(number: number)
                order.append(number)
            }
            switch entry {
            case .accepted:
                break
            case .started(let key):
                open[number]?.started.append(key)
            case .died(_, let deaths):
                let before = open[number]?.deaths ?? 0
                open[number]?.deaths = max(before, deaths)
            case .ended(_, let terminal, class: let failureClass, at: let time):
                if open[number]?.ended == nil {
                    open[number]?.ended = Ended(terminal: terminal, failureClass: failureClass, time: time)
                }
            case .forgotten(_, rememberedUntil: let time):
                if var change = open.removeValue(forKey: number) {
                    change.rememberedUntil = time
                    changes.append(change)
                    forgottenCount += 1
                }
            }
        }
        for number in order {
            if let change = open.removeValue(forKey: number) { changes.append(change) }
        }
    }
}
