import CZeroMQ

/// One frame in libzmq's memory: freed, or given back to its owner, when the value goes.
///
/// A `zmq_msg_t` may be moved bitwise, which is what moving this value does.
@safe public struct Message: ~Copyable {
    /// The handle; always initialized.
    var raw: zmq_msg_t

    /// An empty frame.
    public init() {
        raw = zmq_msg_t()
        unsafe zmq_msg_init(&raw)
    }

    /// A frame with a copy of `bytes`. At most 33 bytes need no allocation.
    public init(copying bytes: UnsafeRawBufferPointer) {
        raw = zmq_msg_t()
        guard unsafe zmq_msg_init_size(&raw, bytes.count) == 0 else {
            preconditionFailure("no memory for a message of \(bytes.count) bytes")
        }
        if let source = bytes.baseAddress { unsafe zmq_msg_data(&raw).copyMemory(from: source, byteCount: bytes.count) }
    }

    /// A frame with a copy of `array`.
    public init(copying array: [UInt8]) {
        raw = zmq_msg_t()
        guard unsafe zmq_msg_init_size(&raw, array.count) == 0 else {
            preconditionFailure("no memory for a message of \(array.count) bytes")
        }
        unsafe array.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe zmq_msg_data(&raw).copyMemory(from: source, byteCount: bytes.count)
        }
    }

    deinit {
        var last = raw
        unsafe zmq_msg_close(&last)
    }

    /// Number of bytes.
    public var count: Int {
        unsafe withUnsafePointer(to: raw) { unsafe zmq_msg_size($0) }
    }

    /// Lends the bytes for the time of `body`; the pointer must not leave it.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        unsafe try withUnsafePointer(to: raw) { pointer in
            let pointer = unsafe UnsafeMutablePointer(mutating: pointer)
            return unsafe try body(UnsafeRawBufferPointer(start: zmq_msg_data(pointer), count: zmq_msg_size(pointer)))
        }
    }

    /// The bytes, copied.
    public var array: [UInt8] {
        unsafe withBytes { unsafe [UInt8]($0) }
    }
}
