import Glibc
import JSON
import MockProvider
import Testing

/// The schemas beside the configuration know the same keys as the readers.
@Suite struct MockSchemaTests {
    private func schema(_ name: String) throws -> JSONValue {
        let package = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let descriptor = unsafe open("/\(package)/config/\(name)", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        try #require(count > 0)
        return try JSONValue(parsing: Array(bytes[..<count]))
    }

    private func keys(_ value: JSONValue?) throws -> [String] {
        try #require(value?["properties"]?.objectValue).keys
    }

    /// Expects that a script with each key in that place is refused for another reason than the key, if at all.
    private func expectKnown(_ keys: [String], _ script: (String) -> String) {
        for key in keys {
            if let message = refusal(script(key)) { #expect(!message.contains("unknown"), "\(key): \(message)") }
        }
        #expect(refusal(script("surely_unknown"))?.contains("unknown") == true)
    }

    private func refusal(_ text: String) -> String? {
        do throws(MockError) {
            _ = try MockScript(parsing: Array(text.utf8))
            return nil
        } catch {
            return error.message
        }
    }

    @Test func keysOfScriptsAreKnown() throws {
        let root = try schema("mock-script.schema.json")
        let definitions = root["$defs"]
        expectKnown(try keys(root)) { #"{"\#($0)": null}"# }
        expectKnown(try keys(definitions?["limit"])) { #"{"limits": [{"\#($0)": null}]}"# }
        let rule = try keys(definitions?["rule"])
        let phased = ["phases", "repeat"]
        expectKnown(rule.filter { !phased.contains($0) }) { #"{"rules": [{"\#($0)": null}]}"# }
        expectKnown(["model", "ids"] + phased) {
            $0 == "phases" ? #"{"rules": [{"phases": []}]}"# : #"{"rules": [{"phases": [], "\#($0)": null}]}"#
        }
        expectKnown(try keys(definitions?["phase"])) { #"{"rules": [{"model": "m", "phases": [{"\#($0)": null}]}]}"# }
        for behaviour in try #require(definitions?["behaviour"]?["anyOf"]?.arrayValue).dropFirst() {
            let selecting = try #require(behaviour["required"]?[0]?.stringValue)
            expectKnown(try keys(behaviour)) { key in
                let value = key == selecting ? "" : #", "\#(key)": null"#
                let own = selecting == "status" ? "200" : "\"ok\""
                return #"{"rules": [{"model": "m", "behaviour": {"\#(selecting)": \#(own)\#(value)}}]}"#
            }
        }
        for latency in try #require(definitions?["latency"]?["anyOf"]?.arrayValue).dropFirst() {
            expectKnown(try keys(latency)) {
                #"{"rules": [{"model": "m", "behaviour": {"play": "ok", "latency_ms": {"\#($0)": null}}}]}"#
            }
        }
    }

    @Test func everyKeyOfTheExampleIsInTheSchema() throws {
        let definitions = try schema("mock-script.schema.json")["$defs"]
        let example = try JSONValue(parsing: Array(MockScript.example.utf8))
        func expectListed(_ value: JSONValue?, _ name: String) throws {
            let known = Set(try keys(definitions?[name]))
            for object in value?.arrayValue ?? [] {
                let found = Set(try #require(object.objectValue).keys)
                #expect(found.isSubset(of: known), "\(name): \(found.subtracting(known))")
                try expectListed(object["phases"], "phase")
            }
        }
        try expectListed(example["limits"], "limit")
        try expectListed(example["rules"], "rule")
    }
}
