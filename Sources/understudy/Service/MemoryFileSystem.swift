import Configuration
import Glibc

/// File systems that the end of the machine empties.
enum MemoryFileSystem {
    /// Whether the file is on one, or would be if it were made.
    static func contains(_ path: String) -> Bool {
        var place = path
        var status = stat()
        while unsafe stat(place, &status) != 0 {
            guard errno == ENOENT, place != "/" else { return false }
            place = FilePath.directory(of: place)
        }
        guard let text = try? SmallFile.readStream("/proc/self/mountinfo", bytesMax: 1 << 20) else { return false }
        let device = name(ofDevice: UInt64(status.st_dev))
        return String(decoding: text, as: UTF8.self).split(separator: "\n").contains { line in
            // The device is the third field, and the type stands behind a lone hyphen: proc(5).
            let fields = line.split(separator: " ")
            guard fields.count > 2, fields[2] == device, let hyphen = fields.firstIndex(of: "-") else { return false }
            return ["tmpfs", "ramfs"].contains(fields[(hyphen + 1)...].first)
        }
    }

    /// `major:minor`, which share the number as in glibc's `gnu_dev_major` and `gnu_dev_minor`.
    private static func name(ofDevice number: UInt64) -> String {
        let major = (number >> 8 & 0xFFF) | (number >> 32 & 0xFFFF_F000)
        let minor = (number & 0xFF) | (number >> 12 & 0xFFFF_FF00)
        return "\(major):\(minor)"
    }
}
