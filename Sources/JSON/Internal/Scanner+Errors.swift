extension Scanner {
    /// Turns a fault into the error that people see: path, what was found, what was expected, line and column.
    @inline(never)
    func error(_ fault: Fault, in text: Span<UInt8>, start: Int) -> JSONError {
        var message = fault.message(found: found(at: fault.offset, in: text), limits: limits)
        if fault.offset < end || fault.code == .syntax {
            let (line, column) = place(of: min(fault.offset, end), in: text, start: start)
            message += " (line \(line), column \(column))"
        }
        return JSONError(
            code: fault.code,
            message: message,
            offset: fault.offset,
            path: PathStep.path(faultSteps.reversed())
        )
    }

    private func found(at offset: Int, in text: Span<UInt8>) -> String {
        guard offset < end else { return "the end" }
        let byte = text[offset]
        if byte > 0x20, byte < 0x7F { return "'\(Character(Unicode.Scalar(byte)))'" }
        let hex = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (hex.utf8.count < 2 ? "0" : "") + hex
    }

    /// Line and column, both counted from 1; the column counts bytes.
    private func place(of offset: Int, in text: Span<UInt8>, start: Int) -> (line: Int, column: Int) {
        var line = 1
        var lineStart = start
        for index in start..<max(start, offset) where text[index] == Byte.lineFeed {
            line += 1
            lineStart = index + 1
        }
        return (line, offset - lineStart + 1)
    }
}
