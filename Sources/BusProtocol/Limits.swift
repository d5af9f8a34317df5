/// The limits of UBP/1 that every peer keeps. Limits of one broker's queues are in its configuration.
public enum Limits {
    /// Longest agent id, in bytes.
    public static let requestIDBytesMax = 128
    /// Longest JSON header (F3), in bytes.
    public static let headerBytesMax = 64 * 1024
    /// Deepest nesting of a JSON header.
    public static let headerDepthMax = 32
    /// Most frames of one message from F0 on, envelope not counted.
    public static let frameCountMax = 4 + bodyFrameCountMax
    /// Most body frames (F4..).
    public static let bodyFrameCountMax = 8
    /// Most bytes of the body frames of one message together.
    public static let bodyBytesMax = 8 * 1024 * 1024
    /// Most bytes of one message from F0 on: version, verb, id, header and body at their longest.
    public static let messageBytesMax = 5 + 8 + requestIDBytesMax + headerBytesMax + bodyBytesMax
    /// Most frames of one message, envelope counted.
    public static let wireFrameCountMax = envelopeFrameCountMax + frameCountMax
    /// Largest single frame that libzmq lets in; above it the connection is closed instead of answered 413.
    public static let wireFrameBytesMax = 16 * 1024 * 1024
    /// Most entries of `lost` in a `JOB`.
    public static let lostDeliveriesMax = 16
    /// Most frames of an envelope, the empty one counted.
    public static let envelopeFrameCountMax = 8
    /// Most bytes of an envelope.
    public static let envelopeBytesMax = 1024
    /// Longest `task` text, in bytes.
    public static let taskBytesMax = 256
    /// Longest name a peer gives itself, in bytes.
    public static let peerNameBytesMax = 128
    /// Longest session token, in bytes.
    public static let sessionBytesMax = 64
    /// Most bytes of a provider's raw error in the header of FAILURE; of a longer one the beginning is shown as text.
    public static let providerErrorBytesMax = 12 * 1024
    /// Most bytes of an error's message in a header; a longer one is cut.
    public static let errorMessageBytesMax = 2 * 1024
    /// Most bytes of `meta` in the header of a terminal; a longer one is replaced by null.
    public static let metaBytesMax = 36 * 1024
    /// Largest number of milliseconds in a header without a range of its own: what 64 bits of nanoseconds hold, 292 years.
    public static let millisecondsMax: Int64 = .max / 1_000_000
    /// Most bytes of the document of a ``SystemSubject``.
    public static let systemDocumentBytesMax = 1 << 20
    /// Most entries of `held` in READY.
    public static let heldCountMax = 100_000
    /// Largest capacity a worker may announce.
    public static let workerCapacityMax = 100_000

    /// Range of `deadline_ms`.
    public static let deadline: ClosedRange<Duration> = .seconds(1) ... .seconds(24 * 3600)
    /// `deadline_ms` when the header has none.
    public static let deadlineDefault: Duration = .seconds(30 * 60)
    /// Range of `ttl_ms`.
    public static let ttl: ClosedRange<Duration> = .seconds(1) ... .seconds(7 * 24 * 3600)
    /// `ttl_ms` of a `memory` or lock-step request.
    public static let ttlDefaultMemory: Duration = .seconds(10 * 60)
    /// `ttl_ms` of a `disk` request.
    public static let ttlDefaultDisk: Duration = .seconds(24 * 3600)
    /// Range of `wait_ms` of GET.
    public static let wait: ClosedRange<Duration> = .zero ... .seconds(24 * 3600)
    /// Range of `priority`; higher is sooner.
    public static let priority: ClosedRange<Int> = 0...9
    /// `priority` when the header has none.
    public static let priorityDefault = 4
}
