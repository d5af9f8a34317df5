import CLinux
import EventLoop
import Glibc

/// What the system tells of a process: its processor time and its memory.
struct ProcessMeter: Sendable {
    /// The process.
    let pid: pid_t

    /// Processor time that all its threads used, in the kernel and outside, in nanoseconds; nil when it is gone.
    var cpuNanoseconds: Int64? {
        var clock = clockid_t()
        guard unsafe clock_getcpuclockid(pid, &clock) == 0 else { return nil }
        var time = timespec()
        guard unsafe clock_gettime(clock, &time) == 0 else { return nil }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Resident memory in bytes; nil when the process is gone.
    var residentBytes: Int? {
        // "size resident shared …", in pages; see proc(5).
        let words = SystemFile.read("/proc/\(pid)/statm")?.split(separator: " ") ?? []
        guard words.count > 1, let pages = Int(words[1]) else { return nil }
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }
}

/// The machine that a benchmark runs on.
enum Machine {
    /// Processors that this process may use.
    static var processorCount: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }

    /// The load average over the last minute; nil when the system does not tell.
    static var load: Double? {
        SystemFile.read("/proc/loadavg")?.split(separator: " ").first.flatMap { Double(String($0)) }
    }

    /// `CLOCK_MONOTONIC` in nanoseconds.
    static var nanoseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// Short files of the kernel.
private enum SystemFile {
    static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text = [UInt8](repeating: 0, count: 512)
        let count = unsafe Glibc.read(descriptor, &text, text.count)
        return count > 0 ? String(decoding: text.prefix(count), as: UTF8.self) : nil
    }
}
