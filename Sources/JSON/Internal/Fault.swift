/// A refusal inside the scanner: small, so that the hot path pays nothing for it. ``Scanner`` turns it into a
/// ``JSONError`` at the door.
struct Fault: Error {
    enum Kind: UInt8 {
        case empty, byteOrderMark, trailingBytes
        case value, key, colon, commaOrBrace, commaOrBracket, literal, digit
        case unterminatedString, controlCharacter, escape, unicodeEscape, invalidUTF8, loneSurrogate
        case duplicateKey, tooDeep, tooLarge, tooManyMembers, tooManyValues, notAnObject
    }

    let kind: Kind
    let offset: Int

    init(_ kind: Kind, at offset: Int) {
        self.kind = kind
        self.offset = offset
    }

    var code: JSONError.Code {
        switch kind {
        case .empty, .byteOrderMark, .trailingBytes, .value, .key, .colon, .commaOrBrace, .commaOrBracket, .literal,
            .digit, .unterminatedString, .controlCharacter, .escape, .unicodeEscape:
            .syntax
        case .invalidUTF8: .invalidUTF8
        case .loneSurrogate: .loneSurrogate
        case .duplicateKey: .duplicateKey
        case .tooDeep: .tooDeep
        case .tooLarge: .tooLarge
        case .tooManyMembers: .tooManyMembers
        case .tooManyValues: .tooManyValues
        case .notAnObject: .wrongType
        }
    }

    /// The fault for people; `found` says what stands at the offset.
    func message(found: String, limits: JSONLimits) -> String {
        switch kind {
        case .empty: "expected a JSON value, found nothing"
        case .byteOrderMark: "expected a JSON value, found a byte order mark"
        case .trailingBytes: "expected the end after the value, found \(found)"
        case .value: "expected a value, found \(found)"
        case .key: "expected a key in double quotes, found \(found)"
        case .colon: "expected ':' after the key, found \(found)"
        case .commaOrBrace: "expected ',' or '}', found \(found)"
        case .commaOrBracket: "expected ',' or ']', found \(found)"
        case .literal: "expected true, false or null, found something else"
        case .digit: "expected a digit, found \(found)"
        case .unterminatedString: "the string has no end"
        case .controlCharacter: "expected control characters in a string to be escaped, found \(found)"
        case .escape: "expected one of \"\\/bfnrtu after a backslash, found \(found)"
        case .unicodeEscape: "expected four hexadecimal digits after \\u, found \(found)"
        case .invalidUTF8: "expected UTF-8, found \(found)"
        case .loneSurrogate: "the string holds half of a surrogate pair"
        case .duplicateKey: "the key is given twice"
        case .tooDeep: "nested deeper than \(limits.depthMax) levels"
        case .tooLarge: "longer than \(limits.byteCountMax) bytes"
        case .tooManyMembers: "an object has more than \(limits.memberCountMax) members"
        case .tooManyValues: "more than \(limits.valueCountMax) values"
        case .notAnObject: "expected an object, found \(found)"
        }
    }
}
