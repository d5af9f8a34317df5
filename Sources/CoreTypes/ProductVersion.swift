/// The version of Understudy itself, as `--version` prints it and `sys.health` tells it. The protocol has its own.
public enum ProductVersion {
    /// The version's text, by semver.org.
    public static let text = "0.1.0"
}
