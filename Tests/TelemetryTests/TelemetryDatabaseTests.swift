import Glibc
import SQLite
import Testing

@testable import Telemetry

struct TelemetryDatabaseTests {
    @Test func anotherProgramsDatabaseIsRefusedAndLeftAlone() throws {
        let file = TemporaryFile()
        do {
            let connection = try Connection(path: file.path, access: .create)
            try connection.execute("CREATE TABLE recipes (name)")
        }
        let before = try contents(file.path)
        let error = #expect(throws: TelemetryError.self) { try EventStore(path: file.path) }
        #expect(error?.code == .foreign)
        #expect(error?.message.contains(file.path) == true)
        #expect(throws: TelemetryError.self) { try TelemetryDatabase(path: file.path) }
        #expect(try contents(file.path) == before)
    }

    @Test func aFileThatIsNoDatabaseIsRefusedAndLeftAlone() throws {
        let file = TemporaryFile()
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: 5000)
        let descriptor = unsafe open(file.path, O_CREAT | O_WRONLY, 0o600)
        #expect(unsafe write(descriptor, text, text.count) == text.count)
        close(descriptor)
        let error = #expect(throws: TelemetryError.self) { try EventStore(path: file.path) }
        #expect(error?.code == .foreign)
        #expect(try contents(file.path) == text)
    }

    @Test func tablesOfANewerVersionAreRefused() throws {
        let file = TemporaryFile()
        _ = try EventStore(path: file.path)
        do {
            let connection = try Connection(path: file.path, access: .readWrite)
            #expect(try connection.userVersion() == TelemetrySchema.version)
            #expect(try connection.applicationID() == TelemetrySchema.applicationID)
            try connection.setUserVersion(TelemetrySchema.version + 1)
        }
        let writing = #expect(throws: TelemetryError.self) { try EventStore(path: file.path) }
        #expect(writing?.code == .newer)
        let reading = #expect(throws: TelemetryError.self) { try TelemetryDatabase(path: file.path) }
        #expect(reading?.code == .newer)
    }

    @Test func aMissingOrEmptyDatabaseCannotBeRead() throws {
        let file = TemporaryFile()
        let missing = #expect(throws: TelemetryError.self) { try TelemetryDatabase(path: file.path) }
        #expect(missing?.code == .missing)
        #expect(missing?.message.contains("understudy collect") == true)
        _ = try Connection(path: file.path, access: .create)
        let empty = #expect(throws: TelemetryError.self) { try TelemetryDatabase(path: file.path) }
        #expect(empty?.code == .foreign)
    }

    @Test func onlyOneCollectorHasADatabase() throws {
        let file = TemporaryFile()
        let lock = try DatabaseLock(databasePath: file.path)
        let error = #expect(throws: TelemetryError.self) { try DatabaseLock(databasePath: file.path) }
        #expect(error?.code == .inUse && error?.isRetryable == true)
        withExtendedLifetime(lock) {}
    }

    @Test func whatIsNotCommittedIsNotThere() throws {
        let file = TemporaryFile()
        let change = RowChange(kind: .gap, values: [1, "task", 1, 2, "lost", 0])
        do {
            let store = try EventStore(path: file.path)
            try store.commit([change])
            try store.apply([change, change])
            #expect(store.pendingCount == 2)
        }
        let connection = try Connection(path: file.path, access: .readOnly)
        #expect(try connection.integer("SELECT count(*) FROM gap") == 1)
    }

    @Test func oldRowsGoALittleAtATime() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        let day = UTCDay.milliseconds
        for age in [401, 400, 399, 0] {
            recorder.time = Recorder.day - Int64(age) * day
            try recorder.attempt("r")
            try recorder.request("r\(age)", outcome: nil)
        }
        #expect(try recorder.prune(Retention(), now: Recorder.day) == false)
        #expect(try recorder.integer("SELECT count(*) FROM attempt") == 3)
        #expect(try recorder.integer("SELECT count(*) FROM request") == 3)
        #expect(try recorder.prune(Retention(days: 1000, rowCountMax: 2), now: Recorder.day) == false)
        #expect(try recorder.integer("SELECT count(*) FROM attempt") == 2)
        #expect(try recorder.integer("SELECT min(time_ms) FROM attempt") == Recorder.day - 399 * day)

        let gap = RowChange(kind: .gap, values: [1, "task", 1, 2, "lost", 0])
        do {
            let store = try EventStore(path: file.path)
            try store.commit(Array(repeating: gap, count: Retention.chunk + 1))
        }
        #expect(try recorder.prune(Retention(), now: Recorder.day) == true)
        #expect(try recorder.integer("SELECT count(*) FROM gap") == 1)
        #expect(try recorder.prune(Retention(), now: Recorder.day) == false)
        #expect(try recorder.integer("SELECT count(*) FROM gap") == 0)
    }

    private func contents(_ path: String) throws -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return Array(bytes.prefix(count))
    }
}
