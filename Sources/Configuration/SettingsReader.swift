import JSON

/// `JSONReader` for configuration: its errors are ``SettingsError``, and it knows durations and paths.
struct SettingsReader {
    /// The place being read.
    let reader: JSONReader
    /// Directory of the file, against which paths in it are resolved.
    let directory: String

    init(_ reader: JSONReader, directory: String) {
        self.reader = reader
        self.directory = directory
    }

    // MARK: Members

    /// Refuses an unknown key, and what is no object.
    func requireOnly(_ keys: [String]) throws(SettingsError) {
        try convert { () throws(JSONError) in try reader.requireOnly(keys) }
    }

    /// The member `key`; nil when it is absent or null.
    func member(_ key: String) throws(SettingsError) -> SettingsReader? {
        let found = try convert { () throws(JSONError) in try reader.optionalMember(key) }
        return found.map { SettingsReader($0, directory: directory) }
    }

    /// The member `key`, which must be there.
    func required(_ key: String, _ expected: String) throws(SettingsError) -> SettingsReader {
        guard let found = try member(key) else { throw failure("\"\(key)\" is missing; expected \(expected)") }
        return found
    }

    /// All members, at most `max`.
    func members(max: Int) throws(SettingsError) -> [(key: String, value: SettingsReader)] {
        let found = try convert { () throws(JSONError) in try reader.members() }
        guard found.count <= max else { throw failure("found \(found.count) members; expected at most \(max)") }
        return found.map { ($0.key, SettingsReader($0.value, directory: directory)) }
    }

    /// All elements, at most `max`.
    func elements(max: Int) throws(SettingsError) -> [SettingsReader] {
        let found = try convert { () throws(JSONError) in try reader.array() }
        guard found.count <= max else { throw failure("found \(found.count) elements; expected at most \(max)") }
        return found.map { SettingsReader($0, directory: directory) }
    }

    // MARK: Values

    func string() throws(SettingsError) -> String {
        try convert { () throws(JSONError) in try reader.string() }
    }

    func nonEmptyString() throws(SettingsError) -> String {
        try convert { () throws(JSONError) in try reader.nonEmptyString() }
    }

    func bool() throws(SettingsError) -> Bool {
        try convert { () throws(JSONError) in try reader.bool() }
    }

    func int(in range: ClosedRange<Int>) throws(SettingsError) -> Int {
        try convert { () throws(JSONError) in try reader.int(in: range) }
    }

    func double(in range: ClosedRange<Double>) throws(SettingsError) -> Double {
        try convert { () throws(JSONError) in try reader.double(in: range) }
    }

    func oneOf(_ words: [String]) throws(SettingsError) -> String {
        try convert { () throws(JSONError) in try reader.oneOf(words) }
    }

    /// A duration in `range`, written as in ``DurationText``.
    func duration(in range: ClosedRange<Duration>) throws(SettingsError) -> Duration {
        let bounds = "\(DurationText.text(range.lowerBound))...\(DurationText.text(range.upperBound))"
        let expected = "\(DurationText.expectation), in \(bounds)"
        guard case .string(let text) = reader.value else { throw wrongType(expected) }
        guard let duration = DurationText.parse(text), range.contains(duration) else {
            throw failure("found \"\(text.prefix(40))\"; expected \(expected)")
        }
        return duration
    }

    /// A path; a relative one starts at the directory of the file that names it.
    func path() throws(SettingsError) -> String {
        let text = try nonEmptyString()
        guard text.utf8.count <= 4096, !text.utf8.contains(0) else {
            throw failure("found a text of \(text.utf8.count) bytes; expected a path")
        }
        return FilePath.absolute(text, in: directory)
    }

    // MARK: Errors

    var isString: Bool { reader.value.stringValue != nil }

    /// An error at this place.
    func failure(_ message: String) -> SettingsError {
        SettingsError(code: .invalid, file: reader.source, path: reader.path, message: message)
    }

    func wrongType(_ expected: String) -> SettingsError {
        failure("expected \(expected), found \(reader.value.kind)")
    }

    private func convert<Value>(_ read: () throws(JSONError) -> Value) throws(SettingsError) -> Value {
        do throws(JSONError) {
            return try read()
        } catch {
            throw SettingsError(code: .invalid, file: error.source, path: error.path, message: error.message)
        }
    }
}
