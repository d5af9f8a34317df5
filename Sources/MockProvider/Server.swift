import CoreTypes
import EventLoop
import Synchronization

/// Accepts connections and answers their requests; the part of the mock that lives on the loop's thread.
///
/// `@unchecked Sendable` holds because all mutable state but the playbook, which has its lock, is touched on the
/// loop's thread only; `checkIsolated` guards the entrances.
final class Server: @unchecked Sendable {
    /// Bearer key that is refused with 401.
    static let badKey = "bad-key"

    /// Connections accepted in one turn of the loop before the others get theirs.
    private static let acceptsPerTurn = 256

    /// Pause of accepting when the process has no descriptors left.
    private static let acceptPause = Duration.milliseconds(50)

    /// Size of the buffer that all connections read with.
    private static let scratchBytes = 64 * 1024

    let loop: EventLoop
    let playbook: Mutex<Playbook>
    let script: MockScript
    let recording: MockRecording?
    /// When it was made.
    let started: Moment
    private let idleTimeout: Duration?
    let isTimed: Bool
    let countsTokens: Bool
    private let listener: CInt
    private var isStopped = false
    private(set) var connections: [CInt: Connection] = [:]
    /// Rises ``idleTicks`` times in each idle timeout; what connections note as the time of their last bytes.
    private(set) var idleTick: UInt32 = 0
    private var idleTimer: TimerID?
    var clock = WallClock()
    var callNumber = 0
    /// What all connections read into; each uses it up before it returns to the loop.
    var scratch: [UInt8]

    init(loop: EventLoop, listener: CInt, configuration: MockConfiguration) {
        self.loop = loop
        self.listener = listener
        started = loop.now()
        script = configuration.script
        recording = configuration.recording
        idleTimeout = configuration.idleTimeout.map { max(.milliseconds(1), $0) }
        isTimed = script.isTimed
        countsTokens = script.limits.contains { $0.tokens != nil }
        let playbook = Playbook(
            script: configuration.script,
            recording: configuration.recording,
            countedIDsMax: configuration.countedIDsMax
        )
        self.playbook = Mutex(playbook)
        scratch = Array(repeating: 0, count: Self.scratchBytes)
    }

    deinit {
        if !isStopped { Sockets.close(listener) }
    }

    // MARK: Connections

    /// Starts accepting. When the kernel cannot watch one more descriptor, the listener is closed and clients are
    /// refused.
    func start() {
        loop.checkIsolated()
        do throws(SystemError) {
            try loop.watch(listener, .read) { [unowned self] _ in accept() }
        } catch {
            stop()
        }
    }

    /// Closes the listener and all connections.
    func stop() {
        loop.checkIsolated()
        guard !isStopped else { return }
        isStopped = true
        if let idleTimer { loop.cancel(idleTimer) }
        idleTimer = nil
        loop.unwatch(listener)
        Sockets.close(listener)
        for connection in Array(connections.values) { connection.close() }
    }

    private func accept() {
        for _ in 0..<Self.acceptsPerTurn {
            switch Sockets.accept(listener) {
            case .connection(let descriptor): add(descriptor)
            case .none: return
            case .again: continue
            case .exhausted: return pauseAccepting()
            }
        }
    }

    private func add(_ descriptor: CInt) {
        let connection = Connection(descriptor: descriptor, server: self)
        connections[descriptor] = connection
        watchIdleness()
        do throws(SystemError) {
            try connection.start()
        } catch {
            // Clients see a close; the kernel's limit of watched descriptors is reached.
            connection.close()
        }
    }

    /// A level-triggered listener would keep the loop busy while nothing can be accepted.
    private func pauseAccepting() {
        loop.update(listener, [])
        loop.schedule(at: loop.now().advanced(by: Self.acceptPause)) { [weak self] in
            guard let self, !isStopped else { return }
            loop.update(listener, .read)
        }
    }

    /// Called by a connection that has closed.
    func forget(_ descriptor: CInt, owedAnswer: Bool) {
        connections[descriptor] = nil
        if owedAnswer, !isStopped { playbook.withLock { $0.countAborted() } }
    }

    // MARK: Idleness

    /// Ticks in an idle timeout: a connection is closed by so much of the timeout late at most.
    static let idleTicks: UInt32 = 4

    /// Lets one timer look after all connections: a timer each would cost every request two changes of the queue.
    private func watchIdleness() {
        guard let idleTimeout, idleTimer == nil, !isStopped else { return }
        idleTimer = loop.schedule(at: loop.now().advanced(by: idleTimeout / Int(Self.idleTicks))) { [weak self] in
            self?.closeIdle()
        }
    }

    private func closeIdle() {
        idleTimer = nil
        idleTick &+= 1
        for connection in Array(connections.values) { connection.closeIfIdle(at: idleTick) }
        if !connections.isEmpty { watchIdleness() }
    }
}
