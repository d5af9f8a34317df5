import Configuration
import CoreTypes
import Glibc
import Testing

@Suite struct ValueTests {
    @Test(
        arguments: [
            ("500ms", 500_000_000), ("2.5s", 2_500_000_000), ("0s", 0), ("10m", 600_000_000_000),
            ("24h", 86_400_000_000_000), ("90d", 7_776_000_000_000_000), ("7us", 7000), ("0.001ms", 1000),
            ("0.0000001s", 0), ("3650d", 315_360_000_000_000_000),
        ] as [(String, Int64)]
    )
    func durationsAreRead(text: String, nanoseconds: Int64) {
        #expect(DurationText.parse(text) == .nanoseconds(nanoseconds))
    }

    @Test(arguments: [
        "", "5", "s", "5 s", "-5s", "+5s", "5S", "5sec", "1.2.3s", ".5s", "5.s", "1e3s", "3651d", "1234567890s", "٣s",
        "1.٣s", "5ns",
    ])
    func otherTextsAreNoDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test func writtenDurationsReadAsTheSame() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let unit: Int64 = [1, 1000, 1_000_000, 60_000_000, 86_400_000_000].randomElement(using: &random) ?? 1
            let duration = Duration.microseconds(Int64.random(in: 0...3649, using: &random) * unit)
            #expect(DurationText.parse(DurationText.text(duration)) == duration)
        }
    }

    @Test(arguments: [
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "api.openai.com", true, false),
        ("HTTP://localhost:8080/v1//", "http://localhost:8080/v1", "localhost", false, true),
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1", false, true),
        ("http://[::1]:65535/", "http://[::1]:65535", "::1", false, true),
        ("http://127.8.9.10/v1", "http://127.8.9.10/v1", "127.8.9.10", false, true),
        ("http://127.1", "http://127.1", "127.1", false, true),
        ("http://[0:0:0:0:0:0:0:1]", "http://[0:0:0:0:0:0:0:1]", "0:0:0:0:0:0:0:1", false, true),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:127.0.0.1]", "::ffff:127.0.0.1", false, true),
        ("http://127.evil.com", "http://127.evil.com", "127.evil.com", false, false),
        ("http://127.0.0.1.evil.com", "http://127.0.0.1.evil.com", "127.0.0.1.evil.com", false, false),
        ("http://localhost.evil.com", "http://localhost.evil.com", "localhost.evil.com", false, false),
        ("http://[::2]", "http://[::2]", "::2", false, false),
        ("http://128.0.0.1", "http://128.0.0.1", "128.0.0.1", false, false),
    ])
    func baseURLsAreRead(text: String, whole: String, host: String, isEncrypted: Bool, isLoopback: Bool) {
        let url = BaseURL(text)
        #expect(url?.text == whole)
        #expect(url?.host == host)
        #expect(url?.isEncrypted == isEncrypted)
        #expect(url?.isLoopback == isLoopback)
    }

    @Test(arguments: [
        "", "api.openai.com", "https:/x", "https://", "https:///v1", "file:///etc/passwd", "https://a:0",
        "https://a:65536",
        "https://a:x", "https://a:", "https://user@h", "https://h?key=1", "https://h#x", "https://h h", "https://h\n",
        "https://[::1", "https://[x]", "https://[::1]x", "https://a:1:2", "https://ü",
    ])
    func otherTextsAreNoBaseURLs(text: String) {
        #expect(BaseURL(text) == nil)
        #expect(BaseURL("https://" + String(repeating: "a", count: 1024)) == nil)
    }

    @Test func aSecretNeverPrints() {
        let secret = Secret("sk-123")
        var dumped = ""
        dump(secret, to: &dumped)
        dump(ProviderKey.present(secret, label: "A"), to: &dumped)
        for text in ["\(secret)", secret.debugDescription, String(reflecting: secret), dumped, "\([secret])"] {
            #expect(!text.contains("123"))
        }
        #expect(secret.expose() == "sk-123")
    }

    @Test func theFirstVariableThatIsSetCounts() {
        let source = KeySource.environment(["A", "B"])
        #expect(source.read(environment: ["A": "", "B": " k\n"]) == .present(Secret("k"), label: "B"))
        #expect(source.status(environment: ["A": "x", "B": "y"]) == .present(label: "A"))
        guard case .missing(let reason) = source.status(environment: [:]) else {
            Issue.record("found a key")
            return
        }
        #expect(reason == "A or B is not set; export it before the start")
    }

    @Test(arguments: ["  ", "a b", "a\r\nX-Injected: 1", "ключ", String(repeating: "k", count: 8193)])
    func whatCannotStandInAHeaderIsNoKey(text: String) {
        guard case .missing(let reason) = KeySource.environment(["A"]).read(environment: ["A": text]) else {
            Issue.record("took \(text)")
            return
        }
        #expect(reason.hasPrefix("the environment variable A"))
        #expect(!reason.contains(text))
    }

    @Test func keysComeFromFiles() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("key", "sk-file\n")
        #expect(KeySource.file(file).read(environment: [:]) == .present(Secret("sk-file"), label: file))
        guard case .missing(let reason) = KeySource.file(file + "x").status(environment: [:]) else {
            Issue.record("found a key")
            return
        }
        #expect(reason == "there is no file \(file)x")
        #expect(KeySource.none.status(environment: [:]) == .notNeeded)
    }
}
