import Glibc

/// A file that takes up space on the journal's disk, to be given up when the disk is full.
///
/// On a small disk, or one that is nearly full, it is a quarter of the room: what cannot be set aside would leave the
/// journal full for ever though it is empty.
struct SpaceReserve {
    let path: String
    /// Bytes that are wanted.
    let byteCount: Int
    /// Bytes without which there is no reserve: what the room at the start allows, or was set aside already, so that a disk
    /// that fills up does not lessen it.
    private(set) var byteCountMin: Int
    /// Whether the space is set aside; always true when there is none to set aside.
    private(set) var isHeld: Bool

    /// The least that is worth setting aside, if more is wanted.
    static let floor = 1 << 20

    /// Sets `byteCount` bytes aside, or what the disk has for them.
    init(path: String, byteCount: Int) {
        self.path = path
        self.byteCount = byteCount
        byteCountMin = byteCount
        isHeld = byteCount == 0
        guard byteCount > 0, let room = measure() else { return }
        byteCountMin = min(byteCount, max(room.share, room.held, Self.floor))
        take()
    }

    /// Bytes that must be free before the space is set aside again: as much again stays free.
    var byteCountNeeded: Int { 2 * byteCountMin }

    /// Lets go of the space.
    mutating func giveUp() {
        guard byteCount > 0 else { return }
        unsafe unlink(path)
        isHeld = false
    }

    /// Tries to set the space aside again; leaves as much again free.
    mutating func take() {
        guard !isHeld, let room = measure() else { return }
        if room.held >= byteCountMin {
            isHeld = true
            return
        }
        let size = max(room.share, byteCountMin)
        guard room.free >= 2 * size else { return giveUp() }
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        isHeld = posix_fallocate(descriptor, 0, off_t(size)) == 0
        if !isHeld { unsafe unlink(path) }
    }

    /// What the disk has.
    private struct Room {
        var free: Int
        /// Bytes of the file that are really there.
        var held: Int
        /// A quarter of both, but no more than is wanted.
        var share: Int
    }

    private func measure() -> Room? {
        var disk = statvfs()
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard unsafe statvfs(directory, &disk) == 0 else { return nil }
        var status = stat()
        let isThere = unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        let held = isThere ? min(Int(status.st_size), Int(status.st_blocks) * 512) : 0
        let free = Int(clamping: UInt64(disk.f_bavail) * UInt64(disk.f_frsize))
        return Room(free: free, held: held, share: min(byteCount, (free / 4) + (held / 4)))
    }
}
