import JSON
import Testing

/// One document of the public test-suite.
struct SuiteCase: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    /// The code it is refused with, where that is part of the case.
    let code: JSONError.Code?

    init(_ name: String, _ text: String, refused code: JSONError.Code? = nil) {
        self.init(name, bytes: Array(text.utf8), refused: code)
    }

    init(_ name: String, bytes: [UInt8], refused code: JSONError.Code? = nil) {
        self.name = name
        self.bytes = bytes
        self.code = code
    }

    var testDescription: String { name }
}
