import CoreTypes
import EventLoop
import Glibc
import Synchronization
import ZeroMQ

/// A directory of mode 0700 that goes with the object, and what is in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/zeromq-test-XXXXXX".utf8CString)
        precondition(unsafe mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if let directory = unsafe opendir(path) {
            while let entry = unsafe readdir(directory) {
                let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name != ".", name != ".." else { continue }
                if unsafe unlink("\(path)/\(name)") != 0 { unsafe rmdir("\(path)/\(name)") }
            }
            unsafe closedir(directory)
        }
        unsafe rmdir(path)
    }

    func endpoint(_ name: String = "socket") -> String { "ipc://\(path)/\(name)" }
}

/// Waiting took longer than any machine needs.
struct TookTooLong: Error {}

/// Watches descriptors for tests that wait, so that no thread of a task blocks.
private let watchmen = try! EventLoop(name: "watchmen")

/// Suspends until a descriptor is readable.
private func waitUntilReadable(_ descriptor: CInt) async throws {
    let isReady = await withCheckedContinuation { continuation in
        watchmen.execute {
            let timeout = Mutex<TimerID?>(nil)
            do {
                try watchmen.watch(descriptor, .read) { _ in
                    watchmen.unwatch(descriptor)
                    if let timer = timeout.withLock({ $0 }) { watchmen.cancel(timer) }
                    continuation.resume(returning: true)
                }
            } catch {
                return continuation.resume(returning: false)
            }
            let timer = watchmen.schedule(at: watchmen.now().advanced(by: .seconds(40))) {
                watchmen.unwatch(descriptor)
                continuation.resume(returning: false)
            }
            timeout.withLock { $0 = timer }
        }
    }
    guard isReady else { throw TookTooLong() }
}

extension Socket {
    /// Suspends until libzmq's descriptor says that something happened; call it after a receive that found nothing.
    func waitForEdge() async throws {
        try await waitUntilReadable(descriptor)
    }

    /// Suspends until a message is here.
    func waitForMessage(_ message: Multipart) async throws {
        while try !receive(into: message) { try await waitForEdge() }
    }

    /// Suspends until a message is here and returns its frames.
    func nextMessage() async throws -> [[UInt8]] {
        let message = Multipart(frameCountMax: 64)
        try await waitForMessage(message)
        return message.allFrames
    }

    /// Sends a message whole; waits while the queue is full or nobody is connected.
    func sendEventually(_ frames: [Bytes]) async throws {
        while try send(frames) != .sent {
            // The room or the connection raises the same edge as a message.
            if try events().contains(.send) { continue }
            try await waitForEdge()
        }
    }
}

extension Multipart {
    var allFrames: [[UInt8]] { (0..<count).map { array(at: $0) } }
}

extension Monitor {
    /// Suspends until an event of this kind comes; others are dropped.
    func waitFor(_ kind: MonitorEvent.Kind) async throws -> MonitorEvent {
        while true {
            while let event = try next() {
                if event.kind == kind { return event }
            }
            try await waitUntilReadable(descriptor)
        }
    }
}

extension [UInt8] {
    init(text: String) { self = Array(text.utf8) }
}

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
