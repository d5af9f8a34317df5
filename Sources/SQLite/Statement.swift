import CSQLite

/// A compiled statement, to be run many times.
///
/// Bind, step until false, read columns in between; or ``run(_:)`` for statements without rows. Parameters count from 1
/// in SQL, in the order of ``bind(_:)``; columns count from 0. Keeps its connection alive and, like it, belongs to one
/// thread at a time.
@safe
public final class Statement {
    /// The SQL it was made of.
    public let sql: String
    private let connection: Connection
    private let handle: OpaquePointer
    private let parameterCount: Int

    init(_ connection: Connection, _ sql: String) throws(SQLiteError) {
        var prepared: OpaquePointer?
        let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
        let result = unsafe sqlite3_prepare_v3(connection.handle, sql, -1, flags, &prepared, nil)
        guard result == SQLITE_OK else { throw connection.error(result, "sqlite3_prepare_v3", sql) }
        guard let handle = unsafe prepared else {
            throw SQLiteError(
                code: .usage,
                resultCode: 0,
                call: "sqlite3_prepare_v3",
                sql: sql,
                path: connection.path,
                message: "the text holds no statement"
            )
        }
        self.sql = sql
        self.connection = connection
        unsafe self.handle = handle
        parameterCount = Int(unsafe sqlite3_bind_parameter_count(handle))
    }

    deinit {
        unsafe sqlite3_finalize(handle)
    }

    /// Binds every parameter; values are copied. Resets the statement first.
    public func bind(_ values: [Value]) throws(SQLiteError) {
        reset()
        guard values.count == parameterCount else {
            throw SQLiteError(
                code: .usage,
                resultCode: 0,
                call: "sqlite3_bind",
                sql: sql,
                path: connection.path,
                message: "\(values.count) values for \(parameterCount) parameters"
            )
        }
        for (index, value) in values.enumerated() { try bind(value, at: index + 1) }
    }

    /// Binds one parameter, counted from 1; the value is copied. The statement must be new or reset.
    public func bind(_ value: Value, at index: Int) throws(SQLiteError) {
        let position = Int32(clamping: index)
        let result: Int32
        switch value {
        case .null: result = unsafe sqlite3_bind_null(handle, position)
        case .integer(let integer): result = unsafe sqlite3_bind_int64(handle, position, integer)
        case .real(let real): result = unsafe sqlite3_bind_double(handle, position, real)
        case .text(var text):
            result = text.withUTF8 { utf8 in
                let count = UInt64(utf8.count)
                // An empty buffer may have no address, and SQLite would take that for NULL.
                guard count > 0 else {
                    return unsafe sqlite3_bind_text64(handle, position, "", 0, transient, UInt8(SQLITE_UTF8))
                }
                return unsafe utf8.withMemoryRebound(to: CChar.self) { characters in
                    let start = characters.baseAddress
                    return unsafe sqlite3_bind_text64(handle, position, start, count, transient, UInt8(SQLITE_UTF8))
                }
            }
        case .blob(let bytes):
            result = unsafe bytes.withUnsafeBytes { unsafe bindBlob($0, position) }
        }
        guard result == SQLITE_OK else { throw connection.error(result, "sqlite3_bind", sql) }
    }

    /// Binds bytes to one parameter, counted from 1; they are copied once, into SQLite.
    public func bind(_ bytes: UnsafeRawBufferPointer, at index: Int) throws(SQLiteError) {
        let result = unsafe bindBlob(bytes, Int32(clamping: index))
        guard result == SQLITE_OK else { throw connection.error(result, "sqlite3_bind_blob64", sql) }
    }

    private func bindBlob(_ bytes: UnsafeRawBufferPointer, _ position: Int32) -> Int32 {
        guard let start = bytes.baseAddress, bytes.count > 0 else {
            return unsafe sqlite3_bind_zeroblob(handle, position, 0)
        }
        return unsafe sqlite3_bind_blob64(handle, position, start, UInt64(bytes.count), transient)
    }

    /// Runs on to the next row; false when there is none left. The statement is then reset and may be bound again.
    public func step() throws(SQLiteError) -> Bool {
        let result = unsafe sqlite3_step(handle)
        if result == SQLITE_ROW { return true }
        let failure = result == SQLITE_DONE ? nil : connection.error(result, "sqlite3_step", sql)
        reset()
        if let failure { throw failure }
        return false
    }

    /// Ends the run; bindings stay.
    public func reset() {
        // Repeats the error of the last step, which has been thrown.
        unsafe sqlite3_reset(handle)
    }

    /// Binds every parameter and runs to the end; rows are dropped.
    public func run(_ values: Value...) throws(SQLiteError) {
        try bind(values)
        while try step() {}
    }

    /// Number of columns of a row.
    public var columnCount: Int { Int(unsafe sqlite3_column_count(handle)) }

    /// True when the column of the current row is NULL.
    public func isNull(_ column: Int) -> Bool {
        unsafe sqlite3_column_type(handle, Int32(clamping: column)) == SQLITE_NULL
    }

    /// The column as an integer; 0 for NULL and for text that is no number.
    public func integer(_ column: Int) -> Int64 { unsafe sqlite3_column_int64(handle, Int32(clamping: column)) }

    /// The column as an integer, or nil for NULL.
    public func optionalInteger(_ column: Int) -> Int64? { isNull(column) ? nil : integer(column) }

    /// The column as a number; 0 for NULL and for text that is no number.
    public func real(_ column: Int) -> Double { unsafe sqlite3_column_double(handle, Int32(clamping: column)) }

    /// The column as text; empty for NULL. What is not UTF-8 is replaced.
    public func text(_ column: Int) -> String {
        unsafe withBytes(column) { bytes in unsafe String(decoding: bytes, as: UTF8.self) }
    }

    /// The column as text, or nil for NULL.
    public func optionalText(_ column: Int) -> String? { isNull(column) ? nil : text(column) }

    /// The column as bytes; empty for NULL.
    public func bytes(_ column: Int) -> [UInt8] {
        unsafe withBytes(column) { bytes in unsafe [UInt8](bytes) }
    }

    /// Lends the column's bytes for the time of `body`, without a copy.
    public func withBytes<Result>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let position = Int32(clamping: column)
        let start = unsafe sqlite3_column_blob(handle, position)
        let count = unsafe sqlite3_column_bytes(handle, position)
        return unsafe body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(count)))
    }
}

/// SQLITE_TRANSIENT: SQLite copies the value before the call returns. A macro that Swift does not import.
private var transient: sqlite3_destructor_type { unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
