/// Why a mock provider did not start, or why its script or recording was refused.
public struct MockError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of trouble; more kinds may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case addressInvalid = "address_invalid"
            case portInUse = "port_in_use"
            case portForbidden = "port_forbidden"
            case script = "script"
            case recording = "recording"
            case system = "system"
        }

        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// The host is no numeric address, or none of this machine.
        public static var addressInvalid: Self { Self(.addressInvalid) }
        /// Somebody else listens on the port.
        public static var portInUse: Self { Self(.portInUse) }
        /// The process may not listen on the port.
        public static var portForbidden: Self { Self(.portForbidden) }
        /// The script is no valid script; the message names the place in it.
        public static var script: Self { Self(.script) }
        /// A recording cannot be read or used; the message names the file and the place in it.
        public static var recording: Self { Self(.recording) }
        /// A system call failed.
        public static var system: Self { Self(.system) }

        public var description: String { kind.rawValue }
    }

    /// What kind of trouble.
    public var code: Code

    /// What was wrong and what was expected, with the values.
    public var message: String

    /// Makes an error.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    /// True when the same call may succeed later without a change: the port may become free.
    public var isRetryable: Bool { code == .portInUse }

    public var description: String { message }
}
