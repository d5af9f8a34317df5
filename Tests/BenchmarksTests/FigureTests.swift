import Benchmarks
import JSON
import Testing

@Suite struct SpreadTests {
    @Test func theMedianOfAnOddNumberIsTheMiddleOne() {
        let spread = Spread([5, 1, 9])
        #expect(spread?.median == 5)
        #expect(spread?.least == 1)
        #expect(spread?.greatest == 9)
    }

    @Test func theMedianOfAnEvenNumberLiesBetween() {
        #expect(Spread([4, 1, 3, 2])?.median == 2.5)
        #expect(Spread([7])?.median == 7)
    }

    @Test func nothingHasNoMedian() {
        #expect(Spread([]) == nil)
    }
}

@Suite struct LatenciesTests {
    @Test func percentilesAreNearestRanks() {
        var latencies = Latencies()
        for value in (1...100).reversed() { latencies.add(nanoseconds: Int64(value) * 1000) }
        #expect(latencies.microseconds(at: [0, 0.5, 0.99, 0.991, 1]) == [1, 50, 99, 100, 100])
    }

    @Test func oneTimeIsEveryPercentile() {
        var latencies = Latencies()
        latencies.add(nanoseconds: 2500)
        #expect(latencies.microseconds(at: [0, 0.5, 1]) == [2.5, 2.5, 2.5])
    }

    @Test func noTimesHaveNoPercentile() {
        #expect(Latencies().microseconds(at: [0.5]) == nil)
    }
}

@Suite struct ForeignFiguresTests {
    @Test func linesOfNameValueUnitAreRead() {
        let figures = ForeignFigures(lines: [
            "round_trips 1200 1/s", "p50 0.25 ms", "p99\t300 us", "cpu_per_message 900 ns",
        ])
        #expect(
            figures.values == ["round_trips": 1200, "p50": 250, "p99": 300, "cpu_per_message": 0.9]
        )
    }

    @Test func zlimitsLinesAreRead() {
        let figures = ForeignFigures(lines: [
            "rr_broker lock size=1024 frames=4 n=5000 p50_us=86.1 p90_us=99.0 p99_us=123.4 p999_us=201.0 max_us=900.0",
            "pipe size=1024 frames=4 window=256 n=100000 rt_per_s=192000 MBps_each_way=196.6 client_cpu_us_per_msg=2.10",
        ])
        #expect(figures.values == ["p50": 86.1, "p99": 123.4, "round_trips": 192_000])
    }

    @Test(arguments: [
        "", "# rep 1 load=0.5 1.2", "listening on port 80 now", "p50 fast us", "p50 nan us", "p50_us=0x10", "p50",
    ])
    func otherLinesArePassedOver(line: String) {
        var figures = ForeignFigures()
        let found = figures.add(line: line)
        #expect(!found)
        #expect(figures.values.isEmpty)
    }

    @Test func theLastValueOfANameCounts() {
        #expect(ForeignFigures(lines: ["p50 1 us", "p50 2 us"]).values == ["p50": 2])
    }
}

@Suite struct BenchReportTests {
    private var report: BenchReport {
        var report = BenchReport("broker", processorCount: 2)
        report.loads = [0.5, 2.25]
        for (rate, time) in [(1000.0, 12.5), (1200, 12.5), (900, 12.5)] {
            report.add(rate, "round trips", unit: "1/s", to: "1 KiB")
            report.add(time, "cpu", unit: "us", to: "1 KiB")
        }
        report.add(7, "events", to: "other")
        return report
    }

    @Test func casesWithTheSameFiguresShareATable() {
        #expect(
            report.tables == [
                [["", "round trips [1/s]", "cpu [us]"], ["1 KiB", "1000 (900 to 1200)", "12.5"]],
                [["", "events"], ["other", "7"]],
            ]
        )
        #expect(report.loadLine == "load of the machine: 0.500 to 2.25 on 2 processors")
    }

    @Test func theJSONHasEveryValueAndItsSpread() {
        let figure = report.json["cases"]?[0]?["figures"]?[0]
        #expect(figure?["name"] == "round trips")
        #expect(figure?["values"] == [1000.0, 1200.0, 900.0])
        #expect(figure?["median"] == 1000.0)
        #expect(figure?["least"] == 900.0)
        #expect(figure?["greatest"] == 1200.0)
        #expect(report.json["load"] == [0.5, 2.25])
        #expect(report.json["processors"] == 2)
    }

    @Test func aValueThatIsNoNumberIsLeftOutOfTheJSON() {
        var report = BenchReport("x", processorCount: 1)
        report.add(.nan, "ratio", to: "c")
        #expect(report.json["cases"]?[0]?["figures"]?[0]?["values"] == [])
        #expect(report.tables == [[["", "ratio"], ["c", "-"]]])
    }

    @Test func valuesAreFoundByCaseAndFigure() {
        #expect(report.values("round trips", of: "1 KiB") == [1000.0, 1200.0, 900.0])
        #expect(report.values("round trips", of: "2 KiB").isEmpty)
    }
}
