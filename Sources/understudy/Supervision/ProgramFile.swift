import Glibc

/// The file this process runs.
enum ProgramFile {
    /// Its path at the start of the process, where a new version is found after an upgrade; `/proc/self/exe`, which is the
    /// file itself even when its name is gone, if the path cannot be told.
    static let path: String = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "/proc/self/exe" }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return unsafe access(path, X_OK) == 0 ? path : "/proc/self/exe"
    }()
}
