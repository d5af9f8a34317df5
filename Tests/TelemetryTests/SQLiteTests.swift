import Glibc
import SQLite
import Testing

struct SQLiteTests {
    @Test func everyKindOfValueComesBackAsItWasBound() throws {
        let file = TemporaryFile()
        let connection = try Connection(path: file.path, access: .create)
        try connection.execute("CREATE TABLE t (a, b, c, d, e, f, g)")
        let insert = try connection.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)")
        let bytes: [UInt8] = [0, 255, 7]
        let values: [Value] = [.integer(.min), .real(0.5), "naïve\0text", .blob(bytes), nil, .text(""), .blob([])]
        try insert.bind(values)
        #expect(try insert.step() == false)
        #expect(connection.changes == 1)
        let select = try connection.prepare("SELECT * FROM t")
        #expect(try select.step())
        #expect(select.columnCount == 7)
        #expect(select.integer(0) == .min)
        #expect(select.real(1) == 0.5)
        #expect(select.text(2) == "naïve\0text")
        #expect(select.bytes(3) == bytes)
        #expect(select.isNull(4) && select.optionalInteger(4) == nil && select.optionalText(4) == nil)
        #expect(select.optionalText(5) == "")
        #expect(!select.isNull(6) && select.bytes(6) == [])
        #expect(try select.step() == false)
    }

    @Test func aStatementRunsManyTimes() throws {
        let file = TemporaryFile()
        let connection = try Connection(path: file.path, access: .create)
        try connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY); CREATE TABLE u (n)")
        let insert = try connection.prepare("INSERT INTO t VALUES (?)")
        for number in 1...100 { try insert.run(.integer(Int64(number))) }
        #expect(connection.lastInsertRowID == 100)
        #expect(try connection.integer("SELECT sum(n) FROM t WHERE n > ?", 50) == 3775)
        #expect(try connection.integer("SELECT n FROM t WHERE n > ?", 100) == nil)
    }

    @Test func aThrowingTransactionLeavesNothing() throws {
        let file = TemporaryFile()
        let connection = try Connection(path: file.path, access: .create)
        try connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        let error = #expect(throws: SQLiteError.self) {
            try connection.transaction { () throws(SQLiteError) in
                try connection.execute("INSERT INTO t VALUES (1)")
                #expect(connection.isInTransaction)
                try connection.execute("INSERT INTO t VALUES (1)")
            }
        }
        #expect(error?.code == .constraint)
        #expect(!connection.isInTransaction)
        #expect(try connection.integer("SELECT count(*) FROM t") == 0)
        try connection.transaction { () throws(SQLiteError) in try connection.execute("INSERT INTO t VALUES (2)") }
        #expect(try connection.integer("SELECT count(*) FROM t") == 1)
    }

    @Test func errorsNameTheCallTheStatementAndTheFile() throws {
        let file = TemporaryFile()
        let connection = try Connection(path: file.path, access: .create)
        let error = #expect(throws: SQLiteError.self) { try connection.prepare("SELECT total FROM nowhere") }
        #expect(error?.code == .usage)
        #expect(error?.call == "sqlite3_prepare_v3")
        #expect(error?.isRetryable == false)
        let text = error?.description ?? ""
        #expect(text.contains("SELECT total FROM nowhere") && text.contains(file.path))
        #expect(text.contains("no such table"))
        #expect(throws: SQLiteError.self) { try connection.prepare("-- only a comment") }
        let select = try connection.prepare("SELECT ?")
        #expect(throws: SQLiteError.self) { try select.run() }
    }

    @Test func aSecondWriterIsToldThatTheFileIsBusy() throws {
        let file = TemporaryFile()
        let first = try Connection(path: file.path, access: .create)
        try first.useWriteAheadLog(synchronous: .full)
        try first.execute("CREATE TABLE t (n)")
        let second = try Connection(path: file.path, access: .readWrite, busyTimeoutMilliseconds: 1)
        try first.begin()
        try first.execute("INSERT INTO t VALUES (1)")
        let error = #expect(throws: SQLiteError.self) { try second.begin() }
        #expect(error?.code == .busy && error?.isRetryable == true)
        #expect(try second.integer("SELECT count(*) FROM t") == 0)
        try first.commit()
        #expect(try second.integer("SELECT count(*) FROM t") == 1)
    }

    @Test func theHeaderKeepsVersionAndOwner() throws {
        let file = TemporaryFile()
        do {
            let connection = try Connection(path: file.path, access: .create)
            #expect(try connection.userVersion() == 0)
            #expect(try connection.schemaObjectCount() == 0)
            try connection.useWriteAheadLog(synchronous: .normal)
            try connection.setUserVersion(7)
            try connection.setApplicationID(-5)
        }
        let connection = try Connection(path: file.path, access: .readOnly)
        #expect(try connection.userVersion() == 7)
        #expect(try connection.applicationID() == -5)
        let error = #expect(throws: SQLiteError.self) { try connection.setUserVersion(8) }
        #expect(error?.code == .readOnly)
    }

    @Test func onlyTheOwnerMayReadANewFile() throws {
        let file = TemporaryFile()
        let connection = try Connection(path: file.path, access: .create)
        try connection.useWriteAheadLog(synchronous: .normal)
        try connection.execute("CREATE TABLE t (n)")
        for path in [file.path, file.path + "-wal", file.path + "-shm"] {
            var status = stat()
            #expect(unsafe stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "mode of \(path)")
        }
    }

    @Test func aMissingFileOrDirectoryIsNamed() throws {
        let file = TemporaryFile()
        for (path, access) in [(file.path, Connection.Access.readOnly), ("\(file.path)/deeper", .create)] {
            let error = #expect(throws: SQLiteError.self) { try Connection(path: path, access: access) }
            #expect(error?.code == .cannotOpen)
            #expect(error?.path == path)
        }
    }

    @Test func aFileThatIsNoDatabaseIsRefused() throws {
        let file = TemporaryFile()
        let descriptor = unsafe open(file.path, O_CREAT | O_WRONLY, 0o600)
        let text = Array(repeating: UInt8(ascii: "x"), count: 4096)
        #expect(unsafe write(descriptor, text, text.count) == text.count)
        close(descriptor)
        let connection = try Connection(path: file.path, access: .readWrite)
        let error = #expect(throws: SQLiteError.self) { try connection.userVersion() }
        #expect(error?.code == .notADatabase)
    }
}
