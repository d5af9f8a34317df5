public import CoreTypes

/// The frames of one message, wherever they live: decoders read them in place.
///
/// A source may hold fewer frames than ``frameCount`` says when a peer sent a flood of them: decoders refuse such a
/// message by its count and touch no frame beyond ``Limits/wireFrameCountMax``.
public protocol FrameSource: ~Copyable {
    /// Number of frames that were received, envelope included.
    var frameCount: Int { get }

    /// Lends frame `index` for the time of `body`; the pointer must not leave it.
    func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result

    /// Frame `index` as a value that may be kept.
    func frameBytes(_ index: Int) -> Bytes
}

extension FrameSource where Self: ~Copyable {
    /// A copy of frame `index`; sources that can share their memory do better.
    public func frameBytes(_ index: Int) -> Bytes {
        unsafe withFrame(index) { bytes in Bytes(unsafe [UInt8](bytes)) }
    }

    /// Number of bytes of frame `index`.
    func byteCount(_ index: Int) -> Int {
        unsafe withFrame(index) { bytes in bytes.count }
    }
}

/// Frames in arrays: what tests, clients and in-process transports use.
public struct FrameList: FrameSource, Hashable, Sendable, ExpressibleByArrayLiteral {
    /// The frames in their order.
    public var frames: [[UInt8]]

    /// Wraps `frames`.
    public init(_ frames: [[UInt8]]) {
        self.frames = frames
    }

    /// Wraps the UTF-8 of each text.
    public init(texts: [String]) {
        frames = texts.map { [UInt8]($0.utf8) }
    }

    public init(arrayLiteral elements: [UInt8]...) {
        frames = elements
    }

    public var frameCount: Int { frames.count }

    public func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try Bytes(frames[index]).withUnsafeBytes(body)
    }

    public func frameBytes(_ index: Int) -> Bytes {
        Bytes(frames[index])
    }
}
