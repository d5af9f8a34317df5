import Glibc

/// Which file it is that a path leads to: while a file is open, no other has the same two numbers.
struct FileIdentity: Hashable {
    let device: dev_t
    let inode: ino_t

    /// The file at `path`; nil when there is none.
    init?(path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
    }
}
