/// The directory of the sockets, or something in it, cannot be used. The message says what to do.
public struct EndpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case badPath, pathTooLong, missing, notADirectory, wrongOwner, wrongMode, alreadyRunning, system
        }

        private let kind: Kind

        private init(_ kind: Kind) {
            self.kind = kind
        }

        /// The path is relative or contains a NUL.
        public static var badPath: Self { Self(.badPath) }
        /// The path of a socket would not fit into a socket address.
        public static var pathTooLong: Self { Self(.pathTooLong) }
        /// The directory, or the one it should be made in, does not exist.
        public static var missing: Self { Self(.missing) }
        /// Something else is at the path, for example a symbolic link.
        public static var notADirectory: Self { Self(.notADirectory) }
        /// The directory belongs to another user.
        public static var wrongOwner: Self { Self(.wrongOwner) }
        /// Others than the owner may enter the directory.
        public static var wrongMode: Self { Self(.wrongMode) }
        /// Another process holds the lock.
        public static var alreadyRunning: Self { Self(.alreadyRunning) }
        /// A system call failed for another reason.
        public static var system: Self { Self(.system) }

        public var description: String { kind.rawValue }
    }

    /// What is wrong.
    public var code: Code

    /// What is wrong, with the path, and what to do.
    public var message: String

    /// Makes an error of its parts.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
