import CZeroMQ
public import EventLoop
import Synchronization

/// Reports what happens to the connections of a socket. Belongs to the thread of that socket.
///
/// It must be read: what it reports queues up without limit, because a full queue would stop libzmq's I/O thread.
public final class Monitor {
    private static let made = Atomic<UInt64>(0)

    private let socket: Socket
    private let pair: Socket
    private let message = Multipart(frameCountMax: 2)
    private var attachment: LoopSocket?

    /// Starts to watch `socket`, which has no other monitor. Make it before `bind` or `connect`, so that it misses
    /// nothing.
    public init(of socket: Socket) throws(ZeroMQError) {
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        let endpoint = "inproc://monitor-\(number)"
        var options = SocketOptions()
        options.receiveQueueMax = 0
        self.socket = socket
        pair = try Socket(socket.context, .pair, options)
        guard unsafe zmq_socket_monitor(socket.handle, endpoint, ZMQ_EVENT_ALL) == 0 else {
            throw .last("zmq_socket_monitor", endpoint)
        }
        try pair.connect(endpoint)
    }

    deinit {
        close()
    }

    /// Readable when something happened; edge-triggered: look for events first, then wait.
    public var descriptor: CInt { pair.descriptor }

    /// The next event if there is one.
    public func next() throws(ZeroMQError) -> MonitorEvent? {
        while try pair.receive(into: message) {
            if let event = MonitorEvent(message) { return event }
        }
        return nil
    }

    /// Calls `onEvent` on the loop for every event until ``close()``. Call it on the loop's thread, once.
    ///
    /// - Parameter onFailure: Called once when no event can be received any more.
    public func attach(
        to loop: EventLoop,
        onFailure: @escaping (ZeroMQError) -> Void = { _ in },
        onEvent: @escaping (MonitorEvent) -> Void
    ) throws(SystemError) {
        precondition(attachment == nil, "the monitor is attached already")
        attachment = try LoopSocket(pair, on: loop, frameCountMax: 2, onFailure: onFailure) { message in
            // The loop keeps the monitor alive: see `close`.
            _ = self
            if let event = MonitorEvent(message) { onEvent(event) }
        }
    }

    /// Calls `onEvent` for what has happened so far, without waiting for the loop's turn. Not inside `onEvent`.
    ///
    /// libzmq reports a connection, and the end of the one whose descriptor it got, before its first message can be
    /// received: called at that message, this leaves no older event behind that could be taken for the new connection's.
    public func drain() {
        attachment?.drain(limit: 1 << 20)
    }

    /// Ends the monitor. Doing so twice is no error.
    public func close() {
        // First of all, for libzmq's I/O thread would wait for ever for a reader of its next event.
        unsafe zmq_socket_monitor(socket.handle, nil, 0)
        attachment?.detach()
        attachment = nil
        pair.close()
    }
}
