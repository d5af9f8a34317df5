import CoreTypes

/// The limits of time of one call, as a value: told what happened, it says when to look again and what is overdue.
struct CallTimers {
    private let startedAt: Moment
    private let connectTimeout: Duration
    private let firstByteTimeout: Duration?
    private let silenceTimeout: Duration?
    private let totalTimeout: Duration?
    private var stage = Stage.connecting

    /// What the call waits for.
    private enum Stage {
        /// A connection; next `waiting`.
        case connecting
        /// The response; next `receiving`.
        case waiting
        /// More of the response, the last of which came at `lastByteAt`; next `paused`.
        case receiving(lastByteAt: Moment)
        /// The handler; next `receiving`.
        case paused
    }

    /// Starts the clocks of `request` at `startedAt`, when the call leaves the queue.
    init(_ request: HTTPRequest, startedAt: Moment) {
        self.startedAt = startedAt
        connectTimeout = request.connectTimeout
        firstByteTimeout = request.firstByteTimeout
        silenceTimeout = request.silenceTimeout
        totalTimeout = request.totalTimeout
    }

    /// The connection stands and the request leaves.
    mutating func requestLeaves() {
        if case .connecting = stage { stage = .waiting }
    }

    /// Bytes of the response came.
    mutating func bytesReceived(at now: Moment) {
        switch stage {
        case .connecting, .waiting, .receiving: stage = .receiving(lastByteAt: now)
        case .paused: break
        }
    }

    /// The handler holds the body back.
    mutating func paused() {
        stage = .paused
    }

    /// The handler takes the body again.
    mutating func resumed(at now: Moment) {
        if case .paused = stage { stage = .receiving(lastByteAt: now) }
    }

    /// What runs out next, and when; nil when no limit is set for what the call waits for.
    var next: (at: Moment, code: TransportError.Code)? {
        var earliest: (at: Moment, code: TransportError.Code)?
        func consider(_ code: TransportError.Code, _ start: Moment, _ limit: Duration?) {
            guard let limit else { return }
            let moment = start.advanced(by: limit)
            if earliest.map({ moment < $0.at }) ?? true { earliest = (moment, code) }
        }
        switch stage {
        case .connecting:
            consider(.connectTimeout, startedAt, connectTimeout)
            consider(.firstByteTimeout, startedAt, firstByteTimeout)
        case .waiting:
            consider(.firstByteTimeout, startedAt, firstByteTimeout)
        case .receiving(let lastByteAt):
            consider(.silenceTimeout, lastByteAt, silenceTimeout)
        case .paused:
            break
        }
        consider(.totalTimeout, startedAt, totalTimeout)
        return earliest
    }

    /// The words for a limit that ran out.
    func message(for code: TransportError.Code) -> String {
        switch code {
        case .connectTimeout: "Connection timed out after \(connectTimeout.wholeMilliseconds) milliseconds"
        case .firstByteTimeout: "no byte of the response within \(text(firstByteTimeout))"
        case .silenceTimeout: "the response paused for longer than \(text(silenceTimeout))"
        default: "the call took longer than \(text(totalTimeout))"
        }
    }

    private func text(_ limit: Duration?) -> String {
        limit.map { "\($0.wholeMilliseconds) ms" } ?? "its limit"
    }
}
