import Configuration
import CoreTypes
import JSON
import Testing

/// The schemas beside the configuration know the same keys as the loader.
@Suite struct SchemaTests {
    private func schema(_ name: String) throws -> JSONValue {
        try JSONValue(parsing: try SmallFile.read("\(shippedDirectory)/\(name)", bytesMax: 1 << 20))
    }

    /// The object of `schema` that describes objects with fixed keys, whichever way it is reached.
    private func resolved(_ value: JSONValue, in root: JSONValue) throws -> JSONValue {
        guard let reference = value["$ref"]?.stringValue else { return value }
        if reference == "routing.schema.json" { return try schema(reference) }
        let name = try #require(reference.split(separator: "/").last)
        return try #require(root["$defs"]?[String(name)])
    }

    /// Calls `visit` with the path of every object with fixed keys and these keys.
    private func walk(
        _ value: JSONValue,
        at path: [String],
        in root: JSONValue,
        _ visit: ([String], [String]) throws -> Void
    )
        throws
    {
        let value = try resolved(value, in: root)
        guard let properties = value["properties"]?.objectValue else { return }
        #expect(value["additionalProperties"] == false, "\(path)")
        try visit(path, properties.keys)
        for (key, property) in properties { try walk(property, at: path + [key], in: root, visit) }
    }

    @Test func everyKeyOfTheSchemaIsKnownAndNoOther() throws {
        let root = try schema("understudy.schema.json")
        try walk(root, at: [], in: root) { path, keys in
            func nested(_ key: String) -> String {
                path.reversed().reduce("{\"\(key)\": null}") { "{\"\($1)\": \($0)}" }
            }
            for key in keys { #expect(throws: Never.self) { try settings(nested(key)) } }
            #expect(refusal(nested("surely_unknown")).message.contains("unknown key"))
        }
    }

    @Test func everyKeyThatIsWrittenIsInTheSchema() throws {
        let root = try schema("understudy.schema.json")
        var written = Settings()
        written.defaultProvider = "openai"
        written.bus.directory = "/d"
        written.bus.tenantLimits = TenantSettings(
            openRequestsMax: 1,
            openBytesMax: 1 << 24,
            rate: TenantSettings.Rate(requestsPerSecond: 1)
        )
        written.telemetry.database = "/t"
        written.mock.script = "/s"
        written.mock.replay = "/r"
        let json = written.json
        try walk(root, at: [], in: root) { path, keys in
            let place = try path.reduce(json) { try #require($0[$1]) }
            let found = Set(try #require(place.objectValue).keys)
            #expect(found == Set(keys).subtracting(["$schema"]), "\(path)")
        }
    }

    @Test func defaultsOfTheSchemaAreTheDefaults() throws {
        let root = try schema("understudy.schema.json")
        let json = Settings().json
        func compare(_ value: JSONValue, _ actual: JSONValue?, at path: String) throws {
            let value = try resolved(value, in: root)
            for (key, property) in value["properties"]?.objectValue ?? [:] {
                let actual = actual?[key]
                if let expected = property["default"], let actual {
                    let same =
                        expected == actual || expected.doubleValue.map { $0 == actual.doubleValue } == true
                        || expected.stringValue.flatMap(DurationText.parse)
                            == actual.stringValue.flatMap(DurationText.parse)
                            && expected.stringValue.flatMap(DurationText.parse) != nil
                    #expect(same, "\(path).\(key): schema \(expected), code \(actual)")
                }
                try compare(property, actual, at: "\(path).\(key)")
            }
        }
        try compare(root, json, at: "$")
    }
}
