import EventLoop
import Glibc
import Testing
import ZeroMQ

/// A connector with its socket, living on a loop.
private actor Connecting {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private var socket: Socket?
    private var connector: BrokerConnector?
    private var waiter: CheckedContinuation<EndpointError.Code?, Never>?

    init(_ loop: EventLoop) { self.loop = loop }

    func open(_ directory: EndpointDirectory, _ context: Context) throws {
        let socket = try Socket(context, .dealer, .agent)
        self.socket = socket
        connector = try BrokerConnector(socket, to: "agents.sock", in: directory, on: loop) { error in
            self.waiter?.resume(returning: (error as? EndpointError)?.code)
        }
    }

    /// Waits for the failure while `make` makes the directory.
    func failure(_ make: () throws -> Void) async rethrows -> EndpointError.Code? {
        try make()
        return await withCheckedContinuation { waiter = $0 }
    }

    func confirm() -> EndpointError.Code? {
        do throws(EndpointError) {
            try connector?.confirm()
            return nil
        } catch {
            return error.code
        }
    }

    func close() {
        connector?.cancel()
        socket?.close()
    }
}

/// The fallback in `/tmp`, played by a directory of the test.
@Suite(.timeLimit(.minutes(5))) struct BrokerConnectorTests {
    private let place = TemporaryDirectory()

    private func fallback() throws -> EndpointDirectory {
        try EndpointDirectory.resolve({ _ in nil }, temporary: place.path)
    }

    @Test func onlyADirectoryThatNobodyNamedIsTheFallback() throws {
        let fallback = try fallback()
        #expect(fallback.isFallback && fallback.path == "\(place.path)/understudy-\(geteuid())")
        #expect(!(try EndpointDirectory(path: fallback.path).isFallback))
        for name in ["UNDERSTUDY_DIR", "XDG_RUNTIME_DIR"] {
            #expect(!(try EndpointDirectory.resolve { $0 == name ? place.path : nil }.isFallback))
        }
    }

    @Test func aFallbackThatAStrangerMayHaveMadeIsNotConnectedTo() async throws {
        let directory = try fallback()
        let context = try Context()
        try await withLoop { loop in
            let connecting = Connecting(loop)
            func code() async -> EndpointError.Code? {
                do {
                    try await connecting.open(directory, context)
                    return nil
                } catch {
                    return (error as? EndpointError)?.code
                }
            }
            #expect(unsafe symlink(place.path, directory.path) == 0)
            #expect(await code() == .notADirectory)
            #expect(unsafe unlink(directory.path) == 0)
            #expect(unsafe mkdir(directory.path, 0o755) == 0)
            #expect(await code() == .wrongMode)
            if geteuid() == 0 {
                #expect(unsafe chmod(directory.path, 0o700) == 0 && chown(directory.path, 12_345, 12_345) == 0)
                #expect(await code() == .wrongOwner)
            }
            await connecting.close()
        }
    }

    @Test func aDirectoryThatSomebodyNamedIsHisOwnAffair() async throws {
        #expect(unsafe chmod(place.path, 0o755) == 0)
        try await withLoop { loop in
            let connecting = Connecting(loop)
            try await connecting.open(try EndpointDirectory(path: place.path), try Context())
            #expect(await connecting.confirm() == nil)
            await connecting.close()
        }
    }

    @Test func aFallbackThatComesLaterIsConnectedToIfItIsOurs() async throws {
        let directory = try fallback()
        let context = try Context()
        try await withLoop { loop in
            let connecting = Connecting(loop)
            try await connecting.open(directory, context)
            #expect(await connecting.confirm() == .missing)
            try directory.prepare()
            let broker = try Socket(context, .router, .broker)
            let monitor = try Monitor(of: broker)
            try broker.bind(try directory.endpoint("agents.sock"))
            _ = try await monitor.waitFor(.handshakeSucceeded)
            #expect(await connecting.confirm() == nil)
            #expect(unsafe chmod(directory.path, 0o755) == 0)
            #expect(await connecting.confirm() == .wrongMode)
            await connecting.close()
        }
    }

    @Test func aStrangersFallbackThatComesLaterEndsTheConnector() async throws {
        let directory = try fallback()
        let context = try Context()
        try await withLoop { loop in
            let connecting = Connecting(loop)
            try await connecting.open(directory, context)
            let code = await connecting.failure { #expect(unsafe mkdir(directory.path, 0o755) == 0) }
            #expect(code == .wrongMode)
            await connecting.close()
        }
    }
}
