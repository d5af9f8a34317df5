import FoundationEssentials
import Glibc

/// The processes of the machine.
enum ProcessTable {
    /// Their command lines, arguments divided by blanks.
    static var commandLines: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { pid_t($0) != nil }.compactMap { name in
            guard let data = try? Data(contentsOf: URL(filePath: "/proc/\(name)/cmdline")) else { return nil }
            return String(decoding: data.map { $0 == 0 ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
        }
    }
}
