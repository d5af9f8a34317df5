import Glibc

/// A file that takes up space on the journal's disk, to be given up when the disk is full.
struct SpaceReserve {
    let path: String
    let byteCount: Int
    /// Whether the space is set aside; always true when there is none to set aside.
    private(set) var isHeld: Bool

    /// Sets `byteCount` bytes aside, if the disk has them.
    init(path: String, byteCount: Int) {
        self.path = path
        self.byteCount = byteCount
        isHeld = byteCount == 0
        take()
    }

    /// Lets go of the space.
    mutating func giveUp() {
        guard byteCount > 0 else { return }
        unsafe unlink(path)
        isHeld = false
    }

    /// Tries to set the space aside again; leaves as much again free.
    mutating func take() {
        guard !isHeld else { return }
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var status = stat()
        if unsafe fstat(descriptor, &status) == 0, status.st_size >= byteCount, status.st_blocks * 512 >= byteCount {
            isHeld = true
            return
        }
        var room = statvfs()
        let isThere =
            unsafe fstatvfs(descriptor, &room) == 0
            && UInt64(room.f_bavail) * UInt64(room.f_frsize) >= 2 * UInt64(byteCount)
        isHeld = isThere && posix_fallocate(descriptor, 0, off_t(byteCount)) == 0
        if !isHeld { unsafe unlink(path) }
    }
}
