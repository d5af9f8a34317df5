public import EventLoop

/// Receives a socket's messages on an ``EventLoop``. Belongs to the thread of that loop.
///
/// libzmq's descriptor is edge-triggered, and any call on the socket may swallow the edge. So the descriptor only wakes
/// the loop: in the same turn, and after every other call on the socket, messages are received until none is left or
/// the turn's budget is spent.
public final class LoopSocket {
    /// The socket; send on it from the loop's thread only.
    public let socket: Socket

    private let loop: EventLoop
    private let message: Multipart
    private let onMessage: (Multipart) -> Void
    private let onFailure: (ZeroMQError) -> Void
    private var turn: TurnID?
    private let asksWhenTouched: Bool
    private var isReady = true
    private var isReceiving = false

    /// Starts to receive. Call it on the loop's thread.
    ///
    /// - Parameters:
    ///   - socket: Must stay open until ``detach()``.
    ///   - frameCountMax: Frames of a message that are kept, see ``Multipart``.
    ///   - asksWhenTouched: False for a socket that sends much and receives seldom: what came while it sent may then be
    ///     seen late, at its next edge or ``drain(limit:)``, which the owner calls now and then.
    ///   - onFailure: Called once when no message can be received any more, for example because the context was shut
    ///     down; the socket is detached by then.
    ///   - onMessage: Gets each message; the buffer is used again when it returns.
    /// - Throws: `SystemError` when the loop cannot watch the descriptor.
    public init(
        _ socket: Socket,
        on loop: EventLoop,
        frameCountMax: Int = 32,
        asksWhenTouched: Bool = true,
        onFailure: @escaping (ZeroMQError) -> Void = { _ in },
        onMessage: @escaping (Multipart) -> Void
    ) throws(SystemError) {
        self.socket = socket
        self.loop = loop
        self.asksWhenTouched = asksWhenTouched
        message = Multipart(frameCountMax: frameCountMax)
        self.onMessage = onMessage
        self.onFailure = onFailure
        try loop.watch(socket.descriptor, .read) { [unowned self] _ in isReady = true }
        turn = loop.addTurn { self.receive(budget: $0) }
    }

    /// Stops receiving; doing so twice is no error. Call it before the socket is closed. Allowed inside `onMessage`.
    public func detach() {
        guard let turn else { return }
        self.turn = nil
        loop.removeTurn(turn)
        loop.unwatch(socket.descriptor)
    }

    /// Receives what is there now, at most `limit` messages, without waiting for the loop's turn.
    ///
    /// For the moment after a peer's death: what it sent before is delivered first. Not inside `onMessage`.
    ///
    /// - Returns: How many messages there were.
    @discardableResult
    public func drain(limit: Int) -> Int {
        loop.checkIsolated()
        precondition(!isReceiving, "drain inside a message's handler")
        isReceiving = true
        defer { isReceiving = false }
        var handled = 0
        do throws(ZeroMQError) {
            while handled < limit, turn != nil {
                guard try socket.receive(into: message) else {
                    isReady = false
                    return handled
                }
                handled += 1
                onMessage(message)
            }
            isReady = true
            message.clear()
        } catch {
            detach()
            onFailure(error)
        }
        return handled
    }

    private func receive(budget: Int) -> Bool {
        guard isReady || (asksWhenTouched && socket.isTouched) else { return false }
        // Messages that were handled may have led to calls on other sockets, so the loop must ask those again.
        return drain(limit: budget) > 0
    }
}
