import Glibc

/// The clock that stamps a journal's records: what passes between two of them is right across brokers, whatever is done to
/// the wall clock meanwhile.
///
/// Unix milliseconds by the wall clock when the journal was first opened since the machine's start; from there on what
/// `CLOCK_BOOTTIME` counts, sleep included. After the next start of the machine only the wall clock can tell how much has
/// passed.
public struct JournalClock: Sendable, Hashable {
    /// The machine's start that it belongs to; empty where the system does not tell.
    let boot: String
    /// Its time at the machine's start, in Unix milliseconds.
    let origin: Int64

    /// The clock of a journal that is opened.
    ///
    /// - Parameters:
    ///   - stored: The clock that its records bear so far.
    ///   - boot: The machine's present start.
    ///   - wall: Unix milliseconds.
    ///   - uptime: Milliseconds since the machine's start.
    init(continuing stored: JournalClock?, boot: String, wall: Int64, uptime: Int64) {
        self.boot = boot
        // A sum that no clock shows was not written by a broker.
        if let stored, !boot.isEmpty, stored.boot == boot, (0..<1 << 53).contains(stored.origin) {
            origin = stored.origin
        } else {
            origin = wall - uptime
        }
    }

    init(boot: String, origin: Int64) {
        self.boot = boot
        self.origin = origin
    }

    /// The clock of a journal that is opened now.
    static func continuing(_ stored: JournalClock?) -> JournalClock {
        JournalClock(
            continuing: stored,
            boot: currentBoot,
            wall: milliseconds(CLOCK_REALTIME),
            uptime: milliseconds(CLOCK_BOOTTIME)
        )
    }

    /// Unix milliseconds by this clock.
    public func now() -> Int64 { origin + Self.milliseconds(CLOCK_BOOTTIME) }

    /// A UUID that the kernel makes at each start (random(4)).
    private static let currentBoot: String = {
        guard let file = unsafe fopen("/proc/sys/kernel/random/boot_id", "re") else { return "" }
        defer { unsafe fclose(file) }
        var text = [CChar](repeating: 0, count: 64)
        guard unsafe fgets(&text, CInt(text.count), file) != nil else { return "" }
        let bytes = text.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }()

    private static func milliseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
