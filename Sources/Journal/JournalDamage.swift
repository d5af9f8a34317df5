import BusProtocol

/// The rows of a journal that are not as they were written.
struct JournalDamage {
    /// Jobs whose id is known: each has its ``RecoveredJob/damage``.
    var jobs: [RecoveredJob] = []
    /// By the number of one of these, the numbers of rows that have the same id and were left out for it.
    var twins: [JobNumber: [JobNumber]] = [:]
    /// Why jobs were passed over.
    var unreadJobs: [String] = []
    /// Why marks of calls or of deaths were passed over.
    var unreadMarks: [String] = []
    /// Why tombstones were passed over.
    var unreadTombstones: [String] = []

    /// What takes the place of damaged rows.
    struct Repair {
        /// The job with what could be read of it.
        let job: RecoveredJob
        /// Jobs whose rows go, because they have its id.
        let twins: [JobNumber]
    }

    /// Reasons that are told one by one.
    private static let reasonCountMax = 8

    /// How the rows of each damaged job are written anew.
    var repairs: [JobNumber: Repair] {
        var repairs: [JobNumber: Repair] = [:]
        for job in jobs { repairs[job.number] = Repair(job: job, twins: twins[job.number] ?? []) }
        return repairs
    }

    /// All of it in words for the operator; nil when there is none.
    func words(path: String) -> String? {
        let lost = jobs.filter { $0.ending == nil }.compactMap(\.damage)
        let kept = jobs.filter { $0.ending != nil }.compactMap(\.damage)
        let parts = [
            Self.part(lost, "requests whose rows are damaged", "they end in a FAILURE, and no worker gets them"),
            Self.part(kept, "answers whose rows are damaged", "the answers can be read, and are kept"),
            Self.part(
                unreadJobs,
                "requests whose id cannot be read",
                "they were passed over, and would be taken for new"
            ),
            Self.part(
                unreadMarks,
                "marks that belong to no request",
                "they were passed over: a call may be made once more that was begun"
            ),
            Self.part(
                unreadTombstones,
                "remembered ids that cannot be read",
                "they were passed over, and would be taken for new"
            ),
        ].compactMap(\.self)
        guard !parts.isEmpty else { return nil }
        return "the journal \(path) has " + parts.joined(separator: "; it has ") + ": check the disk"
    }

    private static func part(_ reasons: [String], _ what: String, _ consequence: String) -> String? {
        guard !reasons.isEmpty else { return nil }
        let told = reasons.prefix(reasonCountMax).joined(separator: "; ")
        let rest = reasons.count > reasonCountMax ? "; and \(reasons.count - reasonCountMax) more" : ""
        return "\(what): \(reasons.count) (\(told)\(rest)); \(consequence)"
    }
}
