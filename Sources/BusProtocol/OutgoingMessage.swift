public import CoreTypes

/// A message ready to be sent: F1 to F4.. as bytes; F0 is always ``ProtocolVersion/bytes``.
public struct OutgoingMessage: Hashable, Sendable {
    /// F1; its bytes are ``Verb/bytes``.
    public var verb: Verb
    /// F2.
    public var id: [UInt8]
    /// F3.
    public var header: [UInt8]
    /// F4..
    public var body: [Bytes]

    /// Makes a message.
    public init(_ verb: Verb, id: [UInt8] = [], header: [UInt8] = [], body: [Bytes] = []) {
        self.verb = verb
        self.id = id
        self.header = header
        self.body = body
    }

    /// All frames, `envelope` first.
    public func frameList(envelope: Envelope = .none) -> FrameList {
        FrameList(envelope.frames + [ProtocolVersion.bytes, verb.bytes, id, header] + body.map(\.array))
    }
}

extension Verb {
    /// The frame F1; no memory is allocated.
    public var bytes: [UInt8] { VerbTable.frames[VerbTable.index(of: self)] }
}

/// The verbs as bytes.
enum VerbTable {
    /// Frame of each verb, in the order of `Verb.allCases`.
    static let frames: [[UInt8]] = Verb.allCases.map { Array($0.rawValue.utf8) }

    /// Up to 8 letters of each verb as a number, the first letter highest.
    private static let packed: [UInt64] = frames.map { frame in frame.reduce(0) { $0 << 8 | UInt64($1) } }

    private static let verbs = Verb.allCases

    /// The position of `verb` in `Verb.allCases`.
    static func index(of verb: Verb) -> Int {
        switch verb {
        case .hello: 0
        case .request: 1
        case .cancel: 2
        case .get: 3
        case .acknowledge: 4
        case .task: 5
        case .ping: 6
        case .bye: 7
        case .welcome: 8
        case .accepted: 9
        case .rejected: 10
        case .chunk: 11
        case .reply: 12
        case .failure: 13
        case .state: 14
        case .ok: 15
        case .pong: 16
        case .error: 17
        case .ready: 18
        case .credit: 19
        case .start: 20
        case .returned: 21
        case .beat: 22
        case .event: 23
        case .job: 24
        case .go: 25
        case .noGo: 26
        case .health: 27
        }
    }

    /// The verb that a frame spells; nil when it is none.
    static func verb(_ frame: UnsafeRawBufferPointer) -> Verb? {
        guard (1...8).contains(frame.count) else { return nil }
        var value: UInt64 = 0
        for index in frame.indices { value = value << 8 | UInt64(unsafe frame[index]) }
        guard let found = packed.firstIndex(of: value) else { return nil }
        return verbs[found]
    }
}
