import FoundationEssentials
import Glibc

/// The processes of the machine.
enum ProcessTable {
    /// Their command lines, arguments divided by blanks.
    static var commandLines: [String] { all.map(\.line) }

    /// The process that plays a role of the bus in a directory.
    static func find(_ role: String, _ directory: String) -> pid_t? {
        all.first { $0.line.contains("understudy \(role) ") && $0.line.contains(directory) }?.pid
    }

    private static var all: [(pid: pid_t, line: String)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { name in
            guard let pid = pid_t(name), let data = try? Data(contentsOf: URL(filePath: "/proc/\(name)/cmdline"))
            else { return nil }
            return (pid, String(decoding: data.map { $0 == 0 ? UInt8(ascii: " ") : $0 }, as: UTF8.self))
        }
    }
}
