import JSON

extension KeySource {
    /// What ``init(reading:)`` takes, for error texts.
    static let expectation = "{\"env\": \"NAME\"}, {\"file\": \"path\"} or \"none\""
    /// Most variables that one source names.
    static let variablesMax = 8

    /// Reads the `key` of a provider. The key itself is refused: it does not belong in this file.
    init(reading reader: SettingsReader) throws(SettingsError) {
        if let text = reader.reader.value.stringValue {
            // The text is not shown: it may well be a key.
            guard text == "none" else {
                throw reader.failure("found some other text; expected \(Self.expectation); keys do not belong here")
            }
            self = .none
            return
        }
        guard reader.reader.value.objectValue != nil else { throw reader.wrongType(Self.expectation) }
        try reader.requireOnly(["env", "file"])
        switch (try reader.member("env"), try reader.member("file")) {
        case (let variables?, nil): self = .environment(try Self.variables(variables))
        case (nil, let file?): self = .file(try file.path())
        case (nil, nil), (_?, _?): throw reader.failure("expected either \"env\" or \"file\"")
        }
    }

    private static func variables(_ reader: SettingsReader) throws(SettingsError) -> [String] {
        let elements = reader.isString ? [reader] : try reader.elements(max: variablesMax)
        guard !elements.isEmpty else { throw reader.failure("found no name; expected the name of a variable") }
        var names: [String] = []
        for element in elements {
            let name = try element.nonEmptyString()
            guard isVariableName(name) else {
                // Not shown either.
                throw element.failure("expected the name of an environment variable: letters, digits and '_'")
            }
            names.append(name)
        }
        return names
    }

    private static func isVariableName(_ text: String) -> Bool {
        guard (1...256).contains(text.utf8.count), let first = text.utf8.first, !(0x30...0x39).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
        }
    }
}
