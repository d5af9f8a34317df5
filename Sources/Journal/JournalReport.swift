public import BusProtocol

/// What a ``JournalWriter`` has to tell. Reports come in order, on the writer's thread.
public enum JournalReport: Sendable {
    /// Every entry up to this ticket is on the disk, or belonged to a refused acceptance.
    ///
    /// - byteCount: Bytes of the database and its log on the disk.
    case committed(through: UInt64, byteCount: Int)
    /// These acceptances were dropped, with all entries of their jobs; nothing of them is on the disk.
    case refused([JobNumber], JournalError)
    /// A commit failed. Ends and marks are kept and tried again after `retryIn`; acceptances are refused until
    /// ``recovered``. An error that is not transient stays until somebody mends the file.
    case failing(JournalError, retryIn: Duration)
    /// Commits work again.
    case recovered
    /// Whether new requests are taken has changed, see ``JournalWriter/admission``.
    case admission(JournalAdmission)
}

/// Whether a journal takes new requests.
public enum JournalAdmission: UInt8, Hashable, Sendable {
    /// It does.
    case open
    /// The journal has reached its limit, or its disk is full.
    case full
    /// Commits fail.
    case failing
    /// Too many bytes wait for their commit.
    case behind
}
