import CLinux

/// What a watcher of a file descriptor wants to be told.
///
/// Empty means nothing at all: the descriptor stays watched, but not even a hang-up is reported until
/// ``EventLoop/update(_:_:)`` asks for something again.
public struct Interest: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Bytes to read, a connection to accept, or the end of the stream.
    public static let read = Interest(rawValue: 1)

    /// Room to write, or the end of a connection attempt.
    public static let write = Interest(rawValue: 2)

    /// The same for `epoll_ctl(2)`, level-triggered.
    var epollEvents: UInt32 {
        var events: UInt32 = 0
        if contains(.read) { events |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
        if contains(.write) { events |= EPOLLOUT.rawValue }
        return events
    }
}

/// What a file descriptor is ready for.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A read will not block; it may find the end of the stream or an error.
    public static let read = Readiness(rawValue: 1)

    /// A write will not block; it may fail.
    public static let write = Readiness(rawValue: 2)

    /// The peer closed its side. Bytes may still wait to be read.
    public static let hangUp = Readiness(rawValue: 4)

    /// An error is pending, for example a refused connection.
    public static let error = Readiness(rawValue: 8)

    /// From the events of `epoll_wait(2)`.
    init(epollEvents events: UInt32) {
        var readiness: Readiness = []
        if events & EPOLLIN.rawValue != 0 { readiness.insert(.read) }
        if events & EPOLLOUT.rawValue != 0 { readiness.insert(.write) }
        if events & (EPOLLHUP.rawValue | EPOLLRDHUP.rawValue) != 0 { readiness.insert(.hangUp) }
        if events & EPOLLERR.rawValue != 0 { readiness.insert(.error) }
        self = readiness
    }
}
