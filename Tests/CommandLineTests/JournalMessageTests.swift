import EventLoop
import Glibc
import Testing

@testable import understudy

/// A journal that cannot be used: the broker says what it found, what it expected and what to do, and starts nothing.
@Suite(.timeLimit(.minutes(10))) struct JournalMessageTests {
    private func broker(_ directory: TemporaryDirectory, journal: String) async throws -> (String, Supervisor.Ending?) {
        let program = try Program(["broker", "--directory", directory.path, "--journal", journal, "--ready-fd", "3"])
        let (lines, ending) = await program.end { _ in program.signal(SIGTERM) }
        return (lines.joined(separator: "\n"), ending)
    }

    /// The header of an SQLite file, as far as it tells whose it is.
    private func header(applicationID: UInt32, version: UInt32) -> String {
        var bytes = Array("SQLite format 3\0".utf8) + [UInt8](repeating: 0, count: 84)
        for (offset, value) in [(60, version), (68, applicationID)] {
            for index in 0..<4 { bytes[offset + index] = UInt8(value >> (24 - 8 * index) & 0x7F) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func aJournalOfANewerVersionIsLeftAlone() async throws {
        let directory = try TemporaryDirectory()
        let text = header(applicationID: 0x5564_6A72, version: 99)
        let file = try directory.write("journal.sqlite", text)
        let (said, ending) = try await broker(directory, journal: file)
        #expect(ending == .status(2), "\(said)")
        for part in [file, "version 99", "knows 3", "name another file"] { #expect(said.contains(part), "\(said)") }
        #expect(try #require(contents(file)) == Array(text.utf8))
    }

    @Test func theDatabaseOfAnotherProgramIsLeftAlone() async throws {
        let directory = try TemporaryDirectory()
        let text = header(applicationID: 0x1234_5678, version: 1)
        let file = try directory.write("other.sqlite", text)
        let (said, ending) = try await broker(directory, journal: file)
        #expect(ending == .status(2), "\(said)")
        for part in [file, "another program", "left as it is"] { #expect(said.contains(part), "\(said)") }
        #expect(try #require(contents(file)) == Array(text.utf8))
    }

    @Test func aFileThatIsNoDatabaseIsLeftAlone() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("notes.txt", "Buy milk.\n")
        let (said, ending) = try await broker(directory, journal: file)
        #expect(ending == .status(2), "\(said)")
        for part in [file, "no SQLite database", "left as it is"] { #expect(said.contains(part), "\(said)") }
        #expect(try #require(contents(file)) == Array("Buy milk.\n".utf8))

        let (other, status) = try await broker(directory, journal: directory.path)
        #expect(status == .status(2), "\(other)")
        #expect(other.contains("no regular file"), "\(other)")
        // Nothing was made beside either.
        #expect(directory.names.sorted() == ["broker.lock", "notes.txt"])
        #expect(unsafe access(directory.path + ".reserve", F_OK) != 0)
    }

    @Test func aJournalOfAnotherBrokerIsNotShared() async throws {
        let (first, second) = (try TemporaryDirectory(), try TemporaryDirectory())
        let file = "\(first.path)/journal.sqlite"
        let program = try Program(["broker", "--directory", first.path, "--ready-fd", "3"])
        var refused: (said: String, ending: Supervisor.Ending?) = ("", nil)
        let (lines, ending) = await program.end { _ in
            refused = (try? await broker(second, journal: file)) ?? ("not started", nil)
            program.signal(SIGTERM)
        }
        #expect(ending == .status(0), "\(lines)")
        #expect(refused.ending == .status(4), "\(refused.said)")
        for part in [file, "another process", "name another file"] {
            #expect(refused.said.contains(part), "\(refused.said)")
        }
        // The lock of the directory stays, as a file that nobody holds.
        #expect(second.names == ["broker.lock"])
        let (said, again) = try await broker(second, journal: file)
        #expect(again == .status(0), "\(said)")
    }

    @Test func aDirectoryThatCannotBeWrittenIsNamed() async throws {
        let directory = try TemporaryDirectory()
        let missing = "\(directory.path)/missing/journal.sqlite"
        let (said, ending) = try await broker(directory, journal: missing)
        #expect(ending == .status(2), "\(said)")
        for part in [missing, "No such file or directory", "name another file"] {
            #expect(said.contains(part), "\(said)")
        }
        // Root may write everywhere, but nobody makes files there.
        let (other, status) = try await broker(directory, journal: "/proc/1/journal.sqlite")
        #expect(status == .status(2), "\(other)")
        #expect(other.contains("cannot make the journal /proc/1/journal.sqlite"), "\(other)")
    }

    private func contents(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : Array(bytes.prefix(count))
    }
}
