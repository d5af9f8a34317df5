import Glibc
import Testing

@testable import understudy

@Suite struct TerminalTests {
    @Test func linesAreCutAtTheirEndsAndAtTheLimit() {
        var splitter = LineSplitter()
        #expect(splitter.add("one\ntw".utf8) == [Array("one".utf8)])
        #expect(splitter.add("o\n\n".utf8) == [Array("two".utf8), []])
        #expect(splitter.finish() == nil)
        let long = [UInt8](repeating: 0x61, count: LineSplitter.lineBytesMax + 1)
        #expect(splitter.add(long) == [Array(long.dropLast())])
        #expect(splitter.finish() == [0x61])
        #expect(splitter.finish() == nil)
    }

    @Test func colourIsOnlyForTerminals() {
        let plain = Console(descriptor: -1, isTerminal: true, usesColor: false)
        let coloured = Console(descriptor: -1, isTerminal: true, usesColor: true)
        #expect(plain.styled("x", .red) == "x")
        #expect(coloured.styled("x", .red) == "\u{1B}[31mx\u{1B}[0m")
    }

    @Test func whatIsNoTerminalHasNoColour() throws {
        let descriptor = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let console = Console(descriptor: descriptor)
        #expect(!console.isTerminal)
        #expect(!console.usesColor)
    }

    @Test func timestampsAreUTC() {
        #expect(HumanText.timestamp(0) == "1970-01-01T00:00:00.000Z")
        #expect(HumanText.timestamp(1_771_164_187_007) == "2026-02-15T14:03:07.007Z")
        #expect(HumanText.timestamp(-1) == "1969-12-31T23:59:59.999Z")
    }

    @Test func tablesLineUp() {
        #expect(Console.table([["a", "bb", "c"], ["aaa", "b"], ["a", "", ""]]) == ["a    bb  c", "aaa  b", "a"])
    }

    @Test func theHelpNamesEveryExitStatus() {
        for status in CommandStatus.allCases {
            #expect(CommandStatus.help.contains(status.meaning))
        }
    }
}
