import Configuration

/// The environment that a child of `understudy up` is given: what its role needs, and no secret of another.
struct ChildEnvironment {
    /// Variables that every role keeps, besides `UNDERSTUDY_…`. `LD_LIBRARY_PATH`, so that the same binary finds the
    /// same libraries.
    static let common: Set<String> = ["PATH", "HOME", "LANG", "TZ", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH"]

    /// Variables that tell how to reach providers. Proxies may have a password in them.
    static let transport: Set<String> = [
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE",
    ]

    /// The environment of `up` itself.
    let whole: [String: String]
    /// Variables that the configuration names as sources of keys.
    let keyVariables: Set<String>

    /// What a child of `role` is given.
    func variables(for role: Supervisor.Role) -> [String: String] {
        whole.filter { name, _ in
            // First, because a key may be in a variable of ours, or in one that everybody keeps.
            if keyVariables.contains(name) { return role == .worker }
            if Self.common.contains(name) || name.hasPrefix("UNDERSTUDY_") { return true }
            return role == .worker && Self.transport.contains(name)
        }
    }
}
