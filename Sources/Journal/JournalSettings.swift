/// How a journal on disk is kept.
public struct JournalSettings: Hashable, Sendable {
    /// When the whole file is looked through at opening.
    public enum Check: Hashable, Sendable {
        /// Never: what is damaged shows when it is read.
        case never
        /// When the broker before did not close the journal.
        case afterUncleanStop
    }

    /// When the whole file is looked through at opening.
    public var check: Check
    /// Bytes in use from which on new requests are refused. Ends still go in.
    public var byteCountMax: Int
    /// Bytes that are set aside on the disk and given up when it is full, so that running requests can end; a quarter of
    /// its room where that is less, 1 MiB at least; 0 for none.
    public var reserveByteCount: Int
    /// Bytes of entries that may wait for their commit before new requests are refused.
    public var pendingByteCountMax: Int
    /// How long opening waits for another process to let the file go, in milliseconds.
    public var busyMilliseconds: Int32
    /// Pages of the log, of 4 KiB, from which on a checkpoint is worth its two syncs when nobody waits: pages that change
    /// often are then copied once for many commits.
    public var logPageCountIdle: Int
    /// The SQLite VFS to go through; nil for the system's.
    public var fileSystem: String?

    /// Makes settings; every argument left out has its default.
    public init(
        check: Check = .afterUncleanStop,
        byteCountMax: Int = 4 << 30,
        reserveByteCount: Int = 16 << 20,
        pendingByteCountMax: Int = 256 << 20,
        busyMilliseconds: Int32 = 2000,
        logPageCountIdle: Int = 2048,
        fileSystem: String? = nil
    ) {
        self.check = check
        self.byteCountMax = byteCountMax
        self.reserveByteCount = reserveByteCount
        self.pendingByteCountMax = pendingByteCountMax
        self.busyMilliseconds = busyMilliseconds
        self.logPageCountIdle = logPageCountIdle
        self.fileSystem = fileSystem
    }
}
