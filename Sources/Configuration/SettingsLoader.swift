import JSON

/// Finds and reads the configuration.
public struct SettingsLoader: Sendable {
    /// The environment in which `UNDERSTUDY_CONFIG` is looked up.
    public var environment: [String: String]
    /// Where relative paths start and `config/understudy.json` is looked for; an absolute path.
    public var workingDirectory: String

    /// Largest configuration file, in bytes.
    public static let bytesMax = 4 << 20
    /// Where configuration is looked for when nobody names it.
    public static let defaultPath = "config/understudy.json"

    /// Makes a loader; by default for this process.
    public init(environment: [String: String]? = nil, workingDirectory: String? = nil) {
        self.environment = environment ?? ProcessEnvironment.current()
        self.workingDirectory = workingDirectory ?? FilePath.workingDirectory()
    }

    /// Reads and checks the configuration.
    ///
    /// The first of these counts: `path` (the option `--config`), `$UNDERSTUDY_CONFIG`, `config/understudy.json` in the
    /// working directory, the built-in defaults. A file named by one of the first two must exist. A file with the
    /// article's keys at its top is taken for a routing file and completed with the defaults.
    public func load(path: String? = nil) throws(SettingsError) -> Settings {
        if let path { return try read(path, namedBy: "--config") }
        if let path = environment["UNDERSTUDY_CONFIG"], !path.isEmpty {
            return try read(path, namedBy: "$UNDERSTUDY_CONFIG")
        }
        do throws(SettingsError) {
            return try read(Self.defaultPath, namedBy: nil)
        } catch {
            // An error of a file that this one names has its `file` set and is no reason to go on without.
            guard error.code == .absent, error.file == nil else { throw error }
            return Settings()
        }
    }

    /// Reads `bytes` as the content of the file `file` in `directory`.
    ///
    /// - Parameters:
    ///   - bytes: The content.
    ///   - file: The file's name for error texts.
    ///   - directory: Where relative paths in it start; an absolute path.
    public static func parse(_ bytes: [UInt8], file: String, directory: String) throws(SettingsError) -> Settings {
        let reader = SettingsReader(try json(bytes, file: file), directory: directory)
        guard let keys = reader.reader.value.objectValue?.keys else { throw reader.wrongType("an object") }
        var settings = Settings()
        if keys.contains("default_chat_model") || keys.contains("fallback_models") {
            try settings.readRouting(reader)
            try settings.checkChain(reader)
        } else {
            try settings.readAll(reader)
        }
        return settings
    }

    private func read(_ path: String, namedBy option: String?) throws(SettingsError) -> Settings {
        let absolute = FilePath.absolute(path, in: workingDirectory)
        do throws(SettingsError) {
            let bytes = try SmallFile.read(absolute, bytesMax: Self.bytesMax)
            var settings = try Self.parse(bytes, file: path, directory: FilePath.directory(of: absolute))
            settings.file = absolute
            return settings
        } catch {
            var error = error
            if error.file == nil, let option { error.message += " (named by \(option))" }
            throw error
        }
    }

    static func json(_ bytes: [UInt8], file: String) throws(SettingsError) -> JSONReader {
        do throws(JSONError) {
            return try JSONReader(parsing: bytes, source: file, limits: JSONLimits(byteCountMax: bytesMax))
        } catch {
            throw SettingsError(code: .syntax, file: file, path: error.path, message: error.message)
        }
    }
}
