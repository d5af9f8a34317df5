import BusProtocol
import JSON
import Testing

/// `protocol/errors.json` against the code.
@Suite struct ErrorRegistryTests {
    @Test func theFileListsExactlyTheCodesOfTheRegistry() throws {
        let entries = try JSONReader(try protocolFile("errors.json")).member("errors").array()
        let listed = try entries.map { entry in
            try [
                "\(entry.member("code").int())", entry.member("symbol").string(), entry.member("kind").string(),
                entry.member("retry").string(), entry.member("billed").string(),
            ]
        }
        let known = ErrorCode.all.map { code in
            ["\(code.number)", code.symbol, code.kind.rawValue, code.retry.rawValue, code.billed.rawValue]
        }
        #expect(listed == known)
        for entry in entries {
            let isTerminal = FailureClass(rawValue: try entry.member("symbol").string()) != nil
            #expect(try entry.member("terminal").bool() == isTerminal)
            #expect(try !entry.member("meaning").nonEmptyString().isEmpty)
        }
    }

    @Test func numbersAndSymbolsAreUnique() {
        #expect(Set(ErrorCode.all.map(\.number)).count == ErrorCode.all.count)
        #expect(Set(ErrorCode.all.map(\.symbol)).count == ErrorCode.all.count)
    }

    @Test(arguments: ErrorCode.all)
    func aNumberLeadsToItsEntry(code: ErrorCode) {
        #expect(ErrorCode(number: code.number) == code)
    }

    @Test func anUnknownNumberLeadsNowhere() {
        #expect(ErrorCode(number: 1) == nil)
    }
}
