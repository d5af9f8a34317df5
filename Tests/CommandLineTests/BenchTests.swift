import CoreTypes
import JSON
import Testing

@testable import understudy

/// The benchmarks run, answer everything and say what they found; what the figures are is not tested.
@Suite(.timeLimit(.minutes(10)), .serialized) struct BenchTests {
    private func report(_ arguments: String...) async throws -> JSONValue {
        let (lines, ending) = await (try Program(["bench"] + arguments + ["--quick", "--json"])).end()
        #expect(ending == .status(0), "\(lines)")
        return try JSONValue(parsing: Array((lines.last ?? "").utf8))
    }

    /// The values of a figure of a case.
    private func values(_ report: JSONValue, _ name: String, _ figure: String) -> [Double] {
        guard case .array(let cases)? = report["cases"],
            case .array(let figures)? = cases.first(where: { $0["name"] == JSONValue(name) })?["figures"],
            case .array(let values)? = figures.first(where: { $0["name"] == JSONValue(figure) })?["values"]
        else { return [] }
        return values.compactMap { Double($0.description) }
    }

    @Test func theBrokerIsComparedWithWhateverPrintsFigures() async throws {
        let report = try await report("broker", "--against", "echo p50 1 us; echo round_trips 10 1/s")
        #expect(report["bench"] == "broker")
        #expect(values(report, "windowed 1 KiB", "messages/request").allSatisfy { $0 >= 13 && $0 <= 16 })
        #expect(values(report, "windowed 16 KiB", "round trips").count == 1)
        #expect(values(report, "lock-step 1 KiB, rival", "p50") == [1])
        #expect(values(report, "lock-step 16 KiB, to rival's", "round trips ratio").count == 1)
    }

    @Test func aRivalWithoutFiguresIsAnError() async throws {
        let (lines, ending) = await (try Program(["bench", "broker", "--quick", "--against", "echo nothing"])).end()
        #expect(ending == .status(1))
        #expect(lines == ["understudy: the command of --against printed no figures"])
    }

    @Test func thePathAnswersEverything() async throws {
        let report = try await report("path")
        for name in ["50 in flight", "100 in flight", "100 requests/s", "64 open at a time"] {
            #expect(values(report, name, "failed") == [0], "\(name)")
            #expect(values(report, name, "CPU broker+workers").count == 1, "\(name)")
        }
    }

    @Test func workersAreMeasuredByTheirNumber() async throws {
        let report = try await report("workers")
        #expect(values(report, "1 worker", "failed") == [0])
        #expect(values(report, "2 workers", "failed") == [0])
    }

    @Test func theCollectorStoresWhatIsPublished() async throws {
        let report = try await report("collector", "--rate", "1000")
        #expect(values(report, "1000 events/s", "missing") == [0])
        #expect(values(report, "1000 events/s", "stored") == [502])
    }

    @Test func theJournalIsMeasuredAndNothingIsLost() async throws {
        let directory = try TemporaryDirectory()
        let report = try await report("journal", "--directory", directory.path)
        #expect(values(report, "64 submitters, durable", "ratio").count == 1)
        #expect(values(report, "complete, disk", "requests").count == 1)
        #expect(values(report, "memory, journal open to none", "requests ratio").count == 1)
        #expect(values(report, "REQUEST to JOB, disk to memory", "p50 ratio").count == 1)
        #expect(values(report, "killed with 200 open", "answered") == [200])
        #expect(values(report, "killed with 200 open", "lost") == [0])
        #expect(directory.names == [])
    }
}
