import CoreTypes
import Journal

/// A journal that cannot be written, and when the operator is told of it.
struct JournalTrouble {
    /// The first time after the first failure, and the most between two times after that.
    static let firstWait = Duration.seconds(5)
    static let waitMax = Duration.seconds(60)

    /// When the first commit failed.
    let since: Moment
    private var due: Moment
    private var wait = Self.firstWait

    /// The first commit failed.
    init(since: Moment) {
        self.since = since
        due = since.advanced(by: Self.firstWait)
    }

    /// Whether it is time to tell the operator again; then the next time is later, twice as long after this one.
    mutating func isToBeTold(_ now: Moment) -> Bool {
        guard now >= due else { return false }
        wait = min(wait * 2, Self.waitMax)
        due = now.advanced(by: wait)
        return true
    }

    /// Whole seconds that it has lasted.
    func seconds(until now: Moment) -> Int64 { since.duration(to: now).wholeMilliseconds / 1000 }

    /// What the operator can do.
    static func advice(_ error: JournalError) -> String {
        switch error.code {
        case .full:
            "Make room on its disk; it goes on by itself."
        case .corrupt:
            """
            The file is damaged, and this does not pass by itself. Requests of durability memory go on. Let what runs end, \
            copy the file away and start the broker again: it sets the damaged file aside and begins a new one. What was \
            accepted and not answered is lost then, and its agents hear 404.
            """
        default:
            error.isTransient
                ? "Look at the disk and the file's permissions; it goes on by itself when they are right."
                : "This does not pass by itself: start the broker again."
        }
    }
}
