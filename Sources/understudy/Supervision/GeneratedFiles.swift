import Glibc

/// The configuration that `up --mock` makes for its children: one file per `up`, in the directory of the sockets.
enum GeneratedFiles {
    private static let prefix = "up-"
    private static let suffix = ".json"

    /// The file of the `up` with process id `pid`.
    static func path(in directory: String, of pid: pid_t) -> String { "\(directory)/\(prefix)\(pid)\(suffix)" }

    /// Removes the files of processes that are gone: one that was killed could not do it itself.
    static func removeOrphans(in directory: String) {
        guard let stream = unsafe opendir(directory) else { return }
        defer { unsafe closedir(stream) }
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix(prefix), name.hasSuffix(suffix),
                let pid = pid_t(name.dropFirst(prefix.count).dropLast(suffix.count)), pid > 0,
                kill(pid, 0) != 0, errno == ESRCH
            else { continue }
            unsafe unlink("\(directory)/\(name)")
        }
    }
}
