import Testing

@testable import understudy

/// The folder `protocol/` by itself: its schemas, registry and vectors agree, as a reader of the text alone decodes them.
@Suite struct ProtocolTests {
    @Test(.timeLimit(.minutes(10))) func schemasRegistryAndVectorsAgree() async throws {
        let script = "\(LiveBus.root)/Tests/IntegrationTests/python/test_protocol.py"
        // Debian's interpreter, for which Debian's jsonschema is installed.
        let outcome = await (try Program("/usr/bin/python3", ["-B", script])).end()
        #expect(outcome.ending == .status(0), "\(outcome.text)")
    }
}
