import JSON
import Testing

@Suite("Public JSON parsing test-suite")
struct SuiteTests {
    @Test(arguments: SuiteCase.accepted)
    func validDocumentIsAcceptedByParserAndSurvivesWriting(_ suiteCase: SuiteCase) throws {
        let value = try JSONValue(parsing: suiteCase.bytes)
        let written = value.serialized()
        #expect(try JSONValue(parsing: written) == value)
        if value.kind == .object {
            #expect(try JSONMembers(scanning: suiteCase.bytes).count == value.objectValue?.count)
        }
        #expect(throws: Never.self) { try JSONMembers(scanning: Self.wrapped(suiteCase.bytes)) }
    }

    @Test(arguments: SuiteCase.refused)
    func invalidDocumentIsRefusedByParserAndScanner(_ suiteCase: SuiteCase) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: suiteCase.bytes) }
        #expect(throws: JSONError.self) { try JSONMembers(scanning: suiteCase.bytes) }
    }

    @Test(arguments: SuiteCase.duplicateKeys)
    func duplicateKeyIsRefusedByParserAndScanner(_ suiteCase: SuiteCase) {
        #expect(Self.code { () throws(JSONError) in _ = try JSONValue(parsing: suiteCase.bytes) } == .duplicateKey)
        #expect(Self.code { () throws(JSONError) in _ = try JSONMembers(scanning: suiteCase.bytes) } == .duplicateKey)
    }

    @Test(arguments: SuiteCase.open)
    func documentLeftToTheParserGetsTheAnswerWeDocument(_ suiteCase: SuiteCase) {
        #expect(Self.code { () throws(JSONError) in _ = try JSONValue(parsing: suiteCase.bytes) } == suiteCase.code)
    }

    @Test(arguments: SuiteCase.open)
    func scannerDiffersFromTheParserInLoneSurrogatesOnly(_ suiteCase: SuiteCase) {
        let expected = suiteCase.code == .loneSurrogate || suiteCase.code == nil
        let found = Self.code { () throws(JSONError) in _ = try JSONMembers(scanning: Self.wrapped(suiteCase.bytes)) }
        #expect((found == nil) == expected)
    }

    @Test
    func listHoldsTheWholeSuite() {
        #expect(SuiteCase.accepted.count + SuiteCase.duplicateKeys.count == 95)
        #expect(SuiteCase.refused.count == 188)
        #expect(SuiteCase.open.count == 35)
    }

    /// The document as the value of a member, where the scanner skips it.
    private static func wrapped(_ document: [UInt8]) -> [UInt8] {
        Array(#"{"document":"#.utf8) + document + Array("}".utf8)
    }

    private static func code(_ body: () throws(JSONError) -> Void) -> JSONError.Code? {
        do throws(JSONError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }
}
