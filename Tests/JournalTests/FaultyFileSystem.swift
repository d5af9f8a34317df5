import CFaultyFileSystem
import Glibc
import Journal
import Synchronization

/// An SQLite VFS of a test's own that counts syncs and fails on demand.
@safe
final class FaultyFileSystem: @unchecked Sendable {
    // Why `@unchecked` holds: the C code locks.

    enum Operation {
        case write, sync
    }

    /// SQLite's result codes for what a disk can do to it.
    enum Fault: CInt, CaseIterable {
        case writeError = 778  // SQLITE_IOERR_WRITE
        case syncError = 1034  // SQLITE_IOERR_FSYNC
        case full = 13  // SQLITE_FULL

        var operations: CInt {
            switch self {
            case .writeError, .full: CInt(FAULTY_WRITE)
            case .syncError: CInt(FAULTY_SYNC)
            }
        }
    }

    let name: String
    private let handle: OpaquePointer
    private static let last = Atomic<Int>(0)

    /// - Parameter journalPath: Whose reserve counts as used space.
    init(journalPath: String) {
        name = "faulty-\(Self.last.add(1, ordering: .relaxed).newValue)"
        guard let handle = unsafe faulty_fs_new(name, journalPath + ".reserve") else { preconditionFailure("no VFS") }
        unsafe self.handle = handle
    }

    /// Lets operations fail: `count` of them after the next `after`.
    func fail(_ fault: Fault, after: Int = 0, count: Int = 1) {
        unsafe faulty_fs_fail(handle, fault.operations, fault.rawValue, after, count)
    }

    /// Ends the failing.
    func heal() { unsafe faulty_fs_fail(handle, 0, 0, 0, 0) }

    /// Operations that have failed.
    var failures: Int { unsafe faulty_fs_failures(handle) }

    /// Bytes that the files may have together; nil: without limit.
    func limit(_ byteCount: Int?) { unsafe faulty_fs_limit(handle, Int64(byteCount ?? -1)) }

    /// Bytes of the open files and the reserve.
    var used: Int { Int(unsafe faulty_fs_used(handle)) }

    var logSyncs: Int { unsafe faulty_fs_log_syncs(handle) }
    var mainSyncs: Int { unsafe faulty_fs_main_syncs(handle) }

    /// Settings of a journal on it.
    func settings(
        reserveByteCount: Int = 0,
        byteCountMax: Int = 4 << 30,
        pendingByteCountMax: Int = 256 << 20
    ) -> JournalSettings {
        JournalSettings(
            byteCountMax: byteCountMax,
            reserveByteCount: reserveByteCount,
            pendingByteCountMax: pendingByteCountMax,
            busyMilliseconds: 0,
            fileSystem: name
        )
    }
}
