import EventLoop
import Glibc

/// Runs `body` with a loop that has ended when this returns.
func withLoop<Result>(_ body: (EventLoop) async throws -> Result) async throws -> Result {
    let loop = try EventLoop(name: "test")
    do {
        let result = try await body(loop)
        loop.shutDown()
        await loop.ended()
        return result
    } catch {
        loop.shutDown()
        await loop.ended()
        throw error
    }
}

extension EventLoop {
    /// Runs `work` on the loop and returns what it gives.
    func run<Result: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let outcome: Swift.Result<Result, Failure> = await withCheckedContinuation { continuation in
            execute { continuation.resume(returning: Swift.Result(catching: work)) }
        }
        return try outcome.get()
    }

    /// Returns when the loop has run what was queued so far.
    func turn() async {
        await run {}
    }
}

/// Two connected stream sockets, closed by `deinit`.
final class SocketPair: Sendable {
    let near: CInt
    let far: CInt

    init() {
        var ends: (CInt, CInt) = (-1, -1)
        let result = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe socketpair(
                AF_UNIX,
                CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue),
                0,
                bytes.assumingMemoryBound(to: CInt.self).baseAddress
            )
        }
        precondition(result == 0)
        (near, far) = ends
    }

    deinit {
        close(near)
        close(far)
    }

    static func send(_ fd: CInt, _ byte: UInt8 = 1) {
        var byte = byte
        precondition(unsafe write(fd, &byte, 1) == 1)
    }

    /// The bytes that wait, at most 64.
    static func receive(_ fd: CInt) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            unsafe count = max(0, read(fd, buffer.baseAddress, 64))
        }
    }
}
