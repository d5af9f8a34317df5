/// The environment variables this process was started with.
public enum ProcessEnvironment {
    /// All variables.
    ///
    /// Read from `/proc/self/environ`, because `environ` is a global that C code may change at any time; changes made
    /// after the start do not show. A process whose environment cannot be read has none.
    public static func current() -> [String: String] {
        guard let bytes = try? SmallFile.readStream("/proc/self/environ", bytesMax: 8 << 20) else { return [:] }
        var variables: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals != entry.startIndex else { continue }
            guard let name = String(validating: entry[..<equals], as: UTF8.self),
                let value = String(validating: entry[(equals + 1)...], as: UTF8.self)
            else { continue }
            // The first of two equal names wins, as in getenv(3).
            if variables[name] == nil { variables[name] = value }
        }
        return variables
    }
}
