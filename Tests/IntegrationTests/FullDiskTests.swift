import Glibc
import Testing

@testable import understudy

/// A bus whose journal can take no more.
@Suite(.serialized, .timeLimit(.minutes(10))) struct FullDiskTests {
    /// Long requests fill the journal; none of them is ever answered by the mock.
    private static func configuration(journal: String) -> String {
        """
        {"policy": {"backoff_base": "5ms", "backoff_cap": "20ms"},
         "bus": {"journal": \(journal), "journal_bytes_max": 67108864, "worker_capacity": 512}}
        """
    }

    @Test func aJournalAtItsLimitRefusesAndRecovers() async throws {
        let bus = try await LiveBus(["--mock"], configuration: Self.configuration(journal: "true"))
        try await bus.run("test_full_disk.py")
        try await bus.stop()
    }

    /// On a file system of 64 MiB in memory, of its own; only root may make one. The other test needs none.
    @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
    func aFullDiskRefusesAndRecovers() async throws {
        let disk = try TemporaryDirectory()
        let options = "size=64m,mode=0700"
        let mount = try Program("/bin/mount", ["-t", "tmpfs", "-o", options, "understudy-test", disk.path])
        let outcome = await mount.end()
        guard outcome.ending == .status(0) else {
            // A container without the capability: root by name only.
            print("not tested with a full disk: \(outcome.text)")
            return
        }
        do {
            let configuration = Self.configuration(journal: "\"\(disk.path)/journal.sqlite\"")
            let bus = try await LiveBus(["--mock"], configuration: configuration)
            try await bus.run("test_full_disk.py", environment: ["UNDERSTUDY_BALLAST": "\(disk.path)/ballast"])
            try await bus.stop()
        } catch {
            _ = await (try Program("/bin/umount", ["-l", disk.path])).end()
            throw error
        }
        #expect(await (try Program("/bin/umount", ["-l", disk.path])).end().ending == .status(0))
    }
}
