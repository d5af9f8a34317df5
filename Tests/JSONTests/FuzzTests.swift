import CoreTypes
import JSON
import Testing

/// Seeded: a failure names its seed and repeats exactly.
@Suite("Fuzzing")
struct FuzzTests {
    private static let limits = JSONLimits(depthMax: 6, byteCountMax: 700, memberCountMax: 12, valueCountMax: 60)

    @Test(arguments: 0..<24 as Range<UInt64>)
    func everyTreeSurvivesWritingAndReading(seed: UInt64) throws {
        var source = DocumentSource(seed: seed)
        for round in 0..<50 {
            let value = source.value(depth: 5)
            let bytes = value.serialized()
            let read = try JSONValue(parsing: bytes)
            #expect(read == value, "seed \(seed), round \(round)")
            #expect(read.serialized() == bytes, "seed \(seed), round \(round)")
            let spaced = source.spaced(value)
            #expect(try JSONValue(parsing: spaced) == value, "seed \(seed), round \(round)")
        }
    }

    @Test(arguments: 100..<124 as Range<UInt64>)
    func parserAndScannerAgreeOnBrokenDocuments(seed: UInt64) {
        var source = DocumentSource(seed: seed)
        var accepted = 0
        for round in 0..<200 {
            let bytes = source.mutated(source.spaced(.object(source.object(depth: 5))))
            let parsed = outcome { () throws(JSONError) in try JSONValue(parsing: bytes, limits: Self.limits) }
            let scanned = outcome { () throws(JSONError) in try JSONMembers(scanning: bytes, limits: Self.limits) }
            switch (parsed, scanned) {
            case (.success(let value), .success(let members)):
                accepted += 1
                check(members, of: bytes, against: value, "seed \(seed), round \(round)")
            case (.success(let value), .failure(let error)):
                // The scanner wants an object.
                #expect(value.kind != .object && error.code == .wrongType, "seed \(seed), round \(round)")
            case (.failure(let error), .success):
                // What the scanner does not decode it does not see.
                let isUnseen = error.code == .loneSurrogate || error.code == .duplicateKey
                #expect(isUnseen, "seed \(seed), round \(round): \(error)")
            case (.failure, .failure): break
            }
        }
        // Both answers must occur, or the comparison says nothing.
        #expect((20...180).contains(accepted), "seed \(seed): \(accepted) of 200 accepted")
    }

    @Test(arguments: 200..<220 as Range<UInt64>)
    func randomBytesNeverTrap(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let alphabet =
            Array("{}[]\",:\\u0129dD8fe+-. \ntrufalsn\u{1}é\u{10FFFF}".utf8) + [0xFF, 0xC0, 0xED, 0xA0, 0x00]
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0..<24, using: &generator)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            let parsed = outcome { () throws(JSONError) in try JSONValue(parsing: bytes) }
            if case .success(let value) = parsed {
                #expect((try? JSONValue(parsing: value.serialized())) == value)
                #expect(throws: Never.self) { try JSONMembers(scanning: Array(#"{"":"#.utf8) + bytes + [0x7D]) }
            }
            if case .failure(let error) = parsed {
                #expect(error.offset.map { $0 >= 0 && $0 <= bytes.count } == true, "\(bytes): \(error)")
            }
        }
    }

    @Test(arguments: 300..<324 as Range<UInt64>)
    func spliceGivesWhatEditingTheTreeGives(seed: UInt64) throws {
        var source = DocumentSource(seed: seed)
        for round in 0..<60 {
            let object = source.object(depth: 3)
            let bytes = source.spaced(.object(object))
            let keys = object.keys + ["absent", "new one", "\"\\"]
            let replaced = keys.filter { _ in source.chance(0.3) }
            let removed = keys.filter { _ in source.chance(0.3) }
            let values = replaced.map { (key: $0, value: source.value(depth: 2)) }

            var expected = object
            // Keys differ when their bytes do, which String's own equality does not see.
            for key in removed where !replaced.contains(where: { $0.utf8.elementsEqual(key.utf8) }) {
                expected[key] = nil
            }
            for (key, value) in values { expected[key] = value }
            let spliced = try JSONSplice.rewriting(
                bytes,
                replacing: values.map { ($0.key, $0.value.serialized()) },
                removing: removed
            )
            #expect(try JSONValue(parsing: spliced) == .object(expected), "seed \(seed), round \(round)")
        }
    }

    @Test
    func everyPrefixOfADocumentIsRefused() {
        let text = #"{"a\u00e9":[1,-0.5e+3,true,false,null,"é😀\ud83d\ude00\n"],"b":{"c":{}}}"#
        let bytes = Array(text.utf8)
        for length in 0..<bytes.count {
            #expect(throws: JSONError.self) { try JSONValue(parsing: Array(bytes[..<length])) }
            #expect(throws: JSONError.self) { try JSONMembers(scanning: Array(bytes[..<length])) }
        }
    }

    private func check(_ members: JSONMembers, of bytes: [UInt8], against value: JSONValue, _ place: String) {
        let object = value.objectValue ?? JSONObject()
        #expect((0..<members.count).map(members.key(at:)) == object.keys, "\(place)")
        for (index, member) in object.enumerated() {
            let found = try? JSONValue(parsing: bytes, in: members.valueRange(at: index), limits: Self.limits)
            #expect(found == member.value, "\(place)")
            #expect(members.kind(at: index) == member.value.kind, "\(place)")
        }
    }

    private func outcome<Value>(_ body: () throws(JSONError) -> Value) -> Result<Value, JSONError> {
        do throws(JSONError) {
            return .success(try body())
        } catch {
            return .failure(error)
        }
    }
}
