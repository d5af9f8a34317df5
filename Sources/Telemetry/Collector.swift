import BusProtocol
import CoreTypes
public import EventLoop
import Glibc
public import ZeroMQ

/// Keeps the broker's events in a database: subscribes to `telemetry.sock` and writes what comes, until it is stopped.
///
/// Lives on an ``EventLoop``; events are decoded and written on its thread, which should be the collector's own, for a
/// commit waits for the disk. Commits every 2,000 events and at least every 200 ms while events come. It connects as
/// soon as there is a broker, and again after the broker's restart; what it misses it marks as a gap.
public actor Collector {
    /// What a collector needs to know.
    public struct Settings: Sendable {
        /// The ZeroMQ endpoint of the events, such as `ipc:///run/user/1000/understudy/telemetry.sock`.
        public var endpoint: String
        /// The database file; made when it is missing. Its directory must exist.
        public var databasePath: String
        /// How much is kept.
        public var retention: Retention
        /// Events after which a transaction is committed.
        public var batchCountMax = 2000
        /// Time after which a transaction is committed.
        public var batchTimeMax: Duration = .milliseconds(200)
        /// How long nothing must have come in before a stop takes it that nothing is on its way any more. At most
        /// 2 s are spent on it.
        public var drainSilence: Duration = .milliseconds(100)

        /// Makes settings.
        public init(endpoint: String, databasePath: String, retention: Retention = Retention()) {
            self.endpoint = endpoint
            self.databasePath = databasePath
            self.retention = retention
        }
    }

    /// Events that wait in the socket while a commit waits for the disk: 5 s of 20,000 events/s.
    static let receiveQueueMax = 100_000
    /// How long a stop may take over what is still coming in.
    static let drainTimeMax: Duration = .seconds(2)
    static let pruneInterval: Duration = .seconds(60)

    private nonisolated let loop: EventLoop
    private let context: Context
    private let settings: Settings
    private var lock: DatabaseLock?
    private var store: EventStore?
    private var receiver: LoopSocket?
    private var ingest = EventIngest()
    private var commitTimer: TimerID?
    private var pruneAt = Moment.zero
    /// When the last message came, or the stop began.
    private var silentSince = Moment.zero
    private var waiter: CheckedContinuation<Result<CollectorCounts, TelemetryError>, Never>?
    private var isStopping = false

    /// Runs on the loop's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a collector; it opens nothing before ``run()``.
    public init(_ settings: Settings, context: Context, on loop: EventLoop) {
        self.settings = settings
        self.context = context
        self.loop = loop
    }

    /// Collects until ``stop()``; then takes what is still coming in, commits and returns. To be called once.
    ///
    /// - Parameter onStart: Called on the loop's thread once the database is open and the socket subscribes.
    /// - Returns: What became of the messages.
    /// - Throws: ``TelemetryError`` when the database cannot be used, is used by another collector, or fails later; the
    ///   open transaction is lost then. Cancelling the task does nothing: use ``stop()``.
    public func run(onStart: @Sendable () -> Void = {}) async throws(TelemetryError) -> CollectorCounts {
        try start()
        onStart()
        let result = await withCheckedContinuation { continuation in
            waiter = continuation
            if isStopping { beginDrain() }
        }
        return try result.get()
    }

    /// Ends ``run()``. May be called from any thread, more than once, and before ``run()``.
    public nonisolated func stop() {
        loop.execute { self.assumeIsolated { $0.beginStop() } }
    }

    // MARK: Life

    private func start() throws(TelemetryError) {
        precondition(receiver == nil && waiter == nil, "a collector runs once")
        do throws(TelemetryError) {
            lock = try DatabaseLock(databasePath: settings.databasePath)
            let store = try EventStore(path: settings.databasePath)
            self.store = store
            ingest = EventIngest(resuming: try store.progress())
            try subscribe()
        } catch {
            close()
            throw error
        }
    }

    private func subscribe() throws(TelemetryError) {
        do {
            var options = SocketOptions.subscriber
            options.receiveQueueMax = Self.receiveQueueMax
            let socket = try Socket(context, .sub, options)
            try socket.subscribe("evt.")
            try socket.connect(settings.endpoint)
            receiver = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: TelemetryFrames.frameCount,
                onFailure: { self.finish(.failure(TelemetryError(.socket, "the socket of the events failed: \($0)"))) },
                onMessage: { self.receive($0) }
            )
        } catch {
            throw TelemetryError(.socket, "cannot subscribe to the events at \(settings.endpoint): \(error)")
        }
    }

    private func beginStop() {
        guard !isStopping else { return }
        isStopping = true
        if waiter != nil { beginDrain() }
    }

    private func beginDrain() {
        silentSince = loop.now()
        drain(until: silentSince.advanced(by: Self.drainTimeMax))
    }

    /// Receives until nothing has come for a while, as the last events may still be on their way.
    private func drain(until end: Moment) {
        guard let receiver, waiter != nil else { return }
        receiver.drain(limit: Self.receiveQueueMax)
        commit()
        guard waiter != nil else { return }
        let now = loop.now()
        let silentEnough = silentSince.advanced(by: settings.drainSilence)
        if now >= silentEnough || now >= end {
            finish(.success(ingest.counts))
        } else {
            loop.schedule(at: min(silentEnough, end)) { self.drain(until: end) }
        }
    }

    private func finish(_ result: Result<CollectorCounts, TelemetryError>) {
        guard let waiter else { return }
        self.waiter = nil
        close()
        waiter.resume(returning: result)
    }

    private func close() {
        if let commitTimer { loop.cancel(commitTimer) }
        commitTimer = nil
        receiver?.detach()
        receiver?.socket.close()
        receiver = nil
        store = nil
        lock = nil
    }

    // MARK: Events

    private func receive(_ message: Multipart) {
        guard let store else { return }
        silentSince = loop.now()
        do throws(TelemetryError) {
            try store.apply(decode(message))
        } catch {
            finish(.failure(error))
            return
        }
        if store.pendingCount >= settings.batchCountMax {
            commit()
        } else if commitTimer == nil {
            commitTimer = loop.schedule(at: silentSince.advanced(by: settings.batchTimeMax)) {
                self.commitTimer = nil
                self.commit()
            }
        }
    }

    private func decode(_ message: Multipart) -> [RowChange] {
        do throws(BusError) {
            let frames = try TelemetryFrames.decode(ReceivedFrames(message: message))
            return ingest.take(
                frames.eventClass,
                epoch: frames.epoch,
                sequence: frames.sequence,
                json: frames.json.array,
                now: Self.unixMilliseconds()
            )
        } catch {
            ingest.takeUnreadable(isUnknown: error.code == .notImplemented || error.code == .version)
            return []
        }
    }

    private func commit() {
        guard let store else { return }
        if let commitTimer { loop.cancel(commitTimer) }
        commitTimer = nil
        do throws(TelemetryError) {
            let progress = ingest.takeProgress()
            if !progress.isEmpty { try store.commit(progress) }
            let now = loop.now()
            if now >= pruneAt {
                let hasMore = try store.prune(settings.retention, now: Self.unixMilliseconds())
                pruneAt = hasMore ? now.advanced(by: .seconds(1)) : now.advanced(by: Self.pruneInterval)
            }
        } catch {
            finish(.failure(error))
        }
    }

    private static func unixMilliseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
