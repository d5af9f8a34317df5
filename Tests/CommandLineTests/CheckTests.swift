import Configuration
import EventLoop
import Glibc
import JSON
import Testing
import ZeroMQ

@testable import understudy

@Suite struct CheckTests {
    private let plain = Console(descriptor: -1, isTerminal: false, usesColor: false)

    private func report(
        _ directory: String,
        environment: [String: String] = [:],
        _ change: (inout Settings) -> Void = { _ in }
    ) throws -> CheckReport {
        var settings = Settings()
        change(&settings)
        let endpoints = try EndpointDirectory(path: directory)
        return CheckReport(settings: settings, directory: endpoints, environment: environment, fileLimit: 1 << 20)
    }

    @Test func withoutAnyKeyNothingCanBeCalled() throws {
        let directory = try TemporaryDirectory()
        let report = try report(directory.path)
        #expect(report.problems.count == 1)
        #expect(report.problems[0].hasPrefix("no model of the chain can be called (anthropic/claude-opus-4-5, "))
        #expect(report.json["chain"]?[1]?["reason"] == "OPENAI_API_KEY is not set; export it before the start")
    }

    @Test func servicesTellOfKeysAlone() throws {
        let report = CheckReport(settings: Settings(), environment: [:], fileLimit: 1 << 20)
        let findings = report.findings(plain)
        #expect(findings.count == 1)
        #expect(findings[0].hasPrefix("problem: no model of the chain can be called (anthropic/claude-opus-4-5, "))
        let environment = ["OPENAI_API_KEY": "sk-hidden"]
        let withKey = CheckReport(settings: Settings(), environment: environment, fileLimit: nil).findings(plain)
        #expect(withKey.count == 2)
        #expect(withKey.allSatisfy { $0.hasPrefix("warning: ") && !$0.contains("hidden") })
    }

    @Test func aWorkerThatTakesMoreThanTheSystemAllowsIsWarnedOf() {
        var settings = Settings()
        settings.bus.workerCapacity = 683
        #expect(CheckReport.workerCapacityMax(fileLimit: 1024) == 683)
        let fits = CheckReport(settings: settings, environment: [:], fileLimit: 1024)
        #expect(fits.warnings == [])
        settings.bus.workerCapacity = 684
        let exceeds = CheckReport(settings: settings, environment: [:], fileLimit: 1024)
        #expect(
            exceeds.warnings == [
                "a process may open 1024 files here (ulimit -Hn): a worker takes 683 requests at a time, not the 684 of "
                    + #""bus"."worker_capacity""#
            ]
        )
    }

    @Test func aKeyIsNamedAndNotShown() throws {
        let directory = try TemporaryDirectory()
        let report = try report(directory.path, environment: ["OPENAI_API_KEY": "sk-hidden"])
        #expect(report.problems == [])
        #expect(report.warnings.count == 2)
        let text = report.text(plain).joined(separator: "\n")
        #expect(text.contains("ok  openai"))
        #expect(text.contains("key from OPENAI_API_KEY"))
        #expect(text.hasSuffix("No problem found."))
        #expect(!text.contains("hidden"))
        #expect(!report.json.description.contains("hidden"))
        #expect(!text.contains("\u{1B}"))
    }

    @Test func aKeyInTheClearAndAnOpenKeyFileAreWarnedOf() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("key", "k", mode: 0o644)
        unsafe chmod(file, 0o644)
        let url = try #require(BaseURL("http://203.0.113.5/v1"))
        let report = try report(directory.path) { settings in
            settings.providers["openai"] = ProviderSettings(name: "openai", baseURL: url, key: .file(file))
        }
        #expect(report.warnings.contains("the key of openai crosses the network in the clear: use https"))
        #expect(report.warnings.contains("others may read the key of openai: run chmod 600 \(file)"))
    }

    @Test func anOpenDirectoryIsAProblem() throws {
        let directory = try TemporaryDirectory()
        unsafe chmod(directory.path, 0o755)
        let report = try report(directory.path, environment: ["OPENAI_API_KEY": "k"])
        #expect(report.problems.count == 1)
        #expect(report.problems[0].contains("chmod 700"))
    }

    @Test func anAbsentDirectoryWillBeMadeAndIsNot() throws {
        let directory = try TemporaryDirectory()
        let report = try report("\(directory.path)/bus", environment: ["OPENAI_API_KEY": "k"])
        #expect(report.problems == [])
        #expect(report.places.first?.state == "will be made")
        #expect(directory.names == [])
    }

    @Test func aDatabaseInAnAbsentFolderIsAProblem() throws {
        let directory = try TemporaryDirectory()
        let report = try report(directory.path, environment: ["OPENAI_API_KEY": "k"]) { settings in
            settings.telemetry.database = "\(directory.path)/no/db.sqlite"
        }
        #expect(report.problems.count == 1)
        #expect(report.problems[0].hasPrefix("database: \(directory.path)/no does not exist"))
    }

    @Test func aJournalInAnAbsentFolderIsAProblem() throws {
        let directory = try TemporaryDirectory()
        let report = try report(directory.path, environment: ["OPENAI_API_KEY": "k"]) { settings in
            settings.bus.journal = "\(directory.path)/no/journal.sqlite"
        }
        #expect(report.problems.count == 1)
        #expect(report.problems[0].hasPrefix("journal: \(directory.path)/no does not exist"))
        #expect(report.problems[0].hasSuffix(#"change "bus"."journal""#))
    }

    @Test(.enabled(if: MemoryFileSystem.contains("/dev/shm")))
    func aJournalInMemoryIsToldAndNoJournalIsNot() throws {
        let directory = try TemporaryDirectory()
        func report(_ path: String?) throws -> CheckReport {
            try self.report(directory.path, environment: ["OPENAI_API_KEY": "k"]) { settings in
                settings.bus.journal = path
                settings.bus.isJournalled = path != nil
            }
        }
        func tells(_ report: CheckReport) -> Bool { report.warnings.contains { $0.contains("lies in memory") } }
        #expect(tells(try report("/dev/shm/no/such/folder/journal.sqlite")))
        #expect(tells(try report("/dev/shm/journal.sqlite")))
        #expect(!tells(try report("/proc/journal.sqlite")))
        let without = try report(nil)
        #expect(!tells(without))
        #expect(!without.places.contains { $0.name == "journal" })
    }

    @Test func whatServicesRefuseIsAProblem() throws {
        let directory = try TemporaryDirectory()
        let environment = ["OPENAI_API_KEY": "k", "SSL_CERT_FILE": "\(directory.path)/no.pem"]
        let report = try report(directory.path, environment: environment) { settings in
            settings.telemetry.database = directory.path
        }
        #expect(report.problems.count == 2, "\(report.problems)")
        #expect(report.problems.contains { $0.hasPrefix("SSL_CERT_FILE is \(directory.path)/no.pem") })
        #expect(report.problems.contains { $0.hasPrefix("database: \(directory.path) is no regular file: change") })
    }
}
