extension JSONValue {
    /// The value as compact JSON: no white space, numbers as they were read, only what must be escaped is.
    public func serialized() -> [UInt8] {
        var sink = ByteSink(reserving: 256)
        write(into: &sink)
        return sink.finished()
    }

    /// Appends the value as compact JSON.
    public func write(into bytes: inout [UInt8]) {
        var sink = ByteSink(continuing: bytes)
        // The sink holds the only reference now, so that nothing is copied.
        bytes = []
        write(into: &sink)
        bytes = sink.finished()
    }

    func write(into sink: inout ByteSink) {
        switch self {
        case .null: sink.append("null")
        case .bool(let value): sink.append(value ? "true" : "false")
        case .number(let value): sink.append(value.text)
        case .string(let value): sink.appendQuoted(value)
        case .array(let elements):
            sink.append(Byte.openBracket)
            var isFirst = true
            for element in elements {
                if !isFirst { sink.append(Byte.comma) }
                isFirst = false
                element.write(into: &sink)
            }
            sink.append(Byte.closeBracket)
        case .object(let object): object.write(into: &sink)
        }
    }
}

extension JSONObject {
    /// The object as compact JSON.
    public func serialized() -> [UInt8] {
        JSONValue.object(self).serialized()
    }

    /// Appends the object as compact JSON.
    public func write(into bytes: inout [UInt8]) {
        JSONValue.object(self).write(into: &bytes)
    }

    func write(into sink: inout ByteSink) {
        sink.append(Byte.openBrace)
        var isFirst = true
        for (key, value) in self {
            sink.appendQuoted(key, comma: !isFirst, colon: true)
            isFirst = false
            value.write(into: &sink)
        }
        sink.append(Byte.closeBrace)
    }
}
