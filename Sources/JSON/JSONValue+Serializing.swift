extension JSONValue {
    /// The value as compact JSON: no white space, numbers as they were read, only what must be escaped is.
    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    /// Appends the value as compact JSON.
    public func write(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.appendText("null")
        case .bool(let value): bytes.appendText(value ? "true" : "false")
        case .number(let value): bytes.appendText(value.text)
        case .string(let value): bytes.appendQuoted(value)
        case .array(let elements):
            bytes.append(Byte.openBracket)
            var isFirst = true
            for element in elements {
                if !isFirst { bytes.append(Byte.comma) }
                isFirst = false
                element.write(into: &bytes)
            }
            bytes.append(Byte.closeBracket)
        case .object(let object): object.write(into: &bytes)
        }
    }
}

extension JSONObject {
    /// The object as compact JSON.
    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    /// Appends the object as compact JSON.
    public func write(into bytes: inout [UInt8]) {
        bytes.append(Byte.openBrace)
        var isFirst = true
        for (key, value) in self {
            if !isFirst { bytes.append(Byte.comma) }
            isFirst = false
            bytes.appendQuoted(key)
            bytes.append(Byte.colon)
            value.write(into: &bytes)
        }
        bytes.append(Byte.closeBrace)
    }
}
