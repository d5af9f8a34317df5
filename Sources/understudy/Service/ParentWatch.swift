import CLinux
import Glibc

/// Ties the life of a child to that of its supervisor.
enum ParentWatch {
    /// Lets the kernel kill this process when its supervisor dies, however it dies.
    ///
    /// - Throws: When the supervisor is gone already, or a descriptor it named is not open.
    static func begin(_ child: ChildTies) throws(CommandFailure) {
        if let parent = child.parent {
            // SIGKILL, because a supervisor that was killed can no longer see to it that a graceful end comes to an end.
            guard understudy_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL)) == 0 else {
                throw CommandFailure.system("prctl(PR_SET_PDEATHSIG) failed")
            }
            // The supervisor may have died before the call above.
            guard getppid() == parent else {
                throw CommandFailure(
                    .trouble,
                    "the process with pid \(parent) is not the parent of this one, or is gone"
                )
            }
        }
        if let descriptor = child.readyDescriptor {
            guard descriptor > STDERR_FILENO, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw CommandFailure(.usage, "--ready-fd \(descriptor): no open descriptor above 2 has this number")
            }
        }
    }
}
