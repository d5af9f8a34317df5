import ArgumentParser
import Configuration

/// How an option's path is read.
enum PathOption {
    /// The path as it is written.
    ///
    /// - Throws: When it is empty. As a relative path that would be the current directory, but it comes from a script whose
    ///   variable is not set.
    static func read(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("it is empty; expected a path") }
        return text
    }

    /// The path from the root.
    static func readAbsolute(_ text: String) throws -> String {
        FilePath.absolute(try read(text), in: FilePath.workingDirectory())
    }
}
