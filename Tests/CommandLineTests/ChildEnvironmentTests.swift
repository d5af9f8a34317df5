import Testing

@testable import understudy

@Suite struct ChildEnvironmentTests {
    private let whole = [
        "PATH": "/bin", "HOME": "/h", "LANG": "C", "TZ": "UTC", "XDG_RUNTIME_DIR": "/run", "UNDERSTUDY_DIR": "/d",
        "OPENAI_API_KEY": "k", "UNDERSTUDY_KEY": "k", "LANG_KEY": "k", "https_proxy": "http://u:p@h", "NO_PROXY": "*",
        "SSL_CERT_FILE": "/ca.pem", "AWS_SECRET_ACCESS_KEY": "s", "SSH_AUTH_SOCK": "/s",
    ]

    private var environment: ChildEnvironment {
        ChildEnvironment(whole: whole, keyVariables: ["OPENAI_API_KEY", "UNDERSTUDY_KEY", "ABSENT"])
    }

    @Test(arguments: [Supervisor.Role.broker, .collector, .mock])
    func otherRolesGetNeitherKeysNorProxies(role: Supervisor.Role) {
        #expect(
            environment.variables(for: role).keys.sorted()
                == ["HOME", "LANG", "PATH", "TZ", "UNDERSTUDY_DIR", "XDG_RUNTIME_DIR"]
        )
    }

    @Test func workersGetTheKeysThatAreNamedAndProxies() {
        let variables = environment.variables(for: .worker)
        #expect(variables["OPENAI_API_KEY"] == "k")
        #expect(variables["UNDERSTUDY_KEY"] == "k")
        #expect(variables["https_proxy"] == "http://u:p@h")
        #expect(variables["NO_PROXY"] == "*")
        #expect(variables["SSL_CERT_FILE"] == "/ca.pem")
        #expect(variables["LANG_KEY"] == nil)
        #expect(variables["AWS_SECRET_ACCESS_KEY"] == nil)
        #expect(variables["SSH_AUTH_SOCK"] == nil)
    }
}
