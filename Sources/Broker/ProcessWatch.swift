import CLinux
import Dispatch
import EventLoop
import Glibc

/// Watches worker processes by pidfd, one descriptor per process however often it connects. On the loop's thread.
final class ProcessWatch {
    private struct Watched {
        var descriptor: CInt
        var connections: Set<ConnectionID>
    }

    private let loop: EventLoop
    private let onExit: (ConnectionID) -> Void
    private var watched: [Int32: Watched] = [:]

    /// - Parameter onExit: Called for each connection of a process that is gone.
    init(loop: EventLoop, onExit: @escaping (ConnectionID) -> Void) {
        self.loop = loop
        self.onExit = onExit
    }

    /// Watches the process behind `connection`. One that is gone already is reported at once.
    ///
    /// A process that cannot be watched, for want of descriptors for example, is left to its lease.
    func watch(_ pid: Int32, for connection: ConnectionID) {
        if watched[pid] != nil {
            watched[pid]?.connections.insert(connection)
            return
        }
        let descriptor = pidfd_open(pid, 0)
        guard descriptor >= 0 else {
            if errno == ESRCH { onExit(connection) }
            return
        }
        do {
            try loop.watch(descriptor, .read) { [unowned self] _ in exited(pid) }
            watched[pid] = Watched(descriptor: descriptor, connections: [connection])
        } catch {
            close(descriptor)
        }
    }

    /// Stops watching for `connection`.
    func forget(_ connection: ConnectionID, pid: Int32) {
        watched[pid]?.connections.remove(connection)
        if watched[pid]?.connections.isEmpty == true { end(pid) }
    }

    /// Stops watching altogether.
    func stop() {
        for pid in Array(watched.keys) { end(pid) }
    }

    private func exited(_ pid: Int32) {
        guard let entry = watched[pid] else { return }
        end(pid)
        for connection in entry.connections.sorted(by: { $0.value < $1.value }) { onExit(connection) }
    }

    private func end(_ pid: Int32) {
        guard let entry = watched.removeValue(forKey: pid) else { return }
        loop.unwatch(entry.descriptor)
        close(entry.descriptor)
    }
}
