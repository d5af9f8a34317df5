import CoreTypes
import Glibc
import Testing
import ZeroMQ

struct EndpointTests {
    private let place = TemporaryDirectory()

    private func failure(_ body: () throws(EndpointError) -> Void) -> EndpointError? {
        do throws(EndpointError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        (["UNDERSTUDY_DIR": "/a/b/", "XDG_RUNTIME_DIR": "/run/user/1"], "/a/b"),
        (["UNDERSTUDY_DIR": "", "XDG_RUNTIME_DIR": "/run/user/1"], "/run/user/1/understudy"),
        (["XDG_RUNTIME_DIR": ""], "/tmp/understudy-\(geteuid())"),
        ([:], "/tmp/understudy-\(geteuid())"),
    ])
    func directoryComesFromTheEnvironment(variables: [String: String], path: String) throws {
        let directory = try EndpointDirectory.resolve { variables[$0] }
        #expect(directory.path == path)
        #expect(try directory.endpoint("agents.sock") == "ipc://\(path)/agents.sock")
    }

    @Test(arguments: ["relative", "", "./x", "a\0b"])
    func relativePathsAreRefused(path: String) {
        #expect(failure { () throws(EndpointError) in _ = try EndpointDirectory(path: path) }?.code == .badPath)
    }

    @Test func directoryIsMadeForItsOwnerOnly() throws {
        let directory = try EndpointDirectory(path: place.path + "/new")
        #expect(failure(directory.check)?.code == .missing)
        let before = umask(0o277)
        umask(before)
        try directory.prepare()
        try directory.prepare()
        var status = stat()
        #expect(unsafe stat(directory.path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o700)
    }

    @Test func directoryThatOthersMayEnterIsRefused() throws {
        let directory = try EndpointDirectory(path: place.path + "/open")
        try directory.prepare()
        #expect(unsafe chmod(directory.path, 0o750) == 0)
        let error = failure(directory.prepare)
        #expect(error?.code == .wrongMode)
        #expect(
            error?.message == "\(directory.path) has mode 0750, but must have 0700: run chmod 700 \(directory.path)"
        )
    }

    @Test func whatIsNoDirectoryIsRefused() throws {
        let link = try EndpointDirectory(path: place.path + "/link")
        #expect(unsafe symlink(place.path, link.path) == 0)
        #expect(failure(link.prepare)?.code == .notADirectory)
        #expect(failure(link.check)?.message.contains("symbolic link") == true)
        let file = try EndpointDirectory(path: place.path + "/file")
        close(unsafe open(file.path, O_CREAT | O_WRONLY, 0o700))
        #expect(failure(file.prepare)?.code == .notADirectory)
        let orphan = try EndpointDirectory(path: place.path + "/none/below")
        #expect(failure(orphan.prepare)?.code == .missing)
    }

    @Test func directoryOfAnotherUserIsRefused() throws {
        let directory = try EndpointDirectory(path: geteuid() == 0 ? place.path + "/theirs" : "/")
        if geteuid() == 0 {
            try directory.prepare()
            #expect(unsafe chown(directory.path, 12_345, 12_345) == 0)
        }
        let error = failure(directory.check)
        #expect(error?.code == .wrongOwner)
        #expect(error?.message.contains("UNDERSTUDY_DIR") == true)
    }

    @Test func aDirectoryInWhichASocketCannotLieIsNotMade() throws {
        let room = EndpointDirectory.socketPathBytesMax - place.path.utf8.count - "/".utf8.count
        let name = String(repeating: "x", count: room - "/agents.sock".utf8.count)
        let directory = try EndpointDirectory(path: "\(place.path)/\(name)")
        let error = failure { () throws(EndpointError) in try directory.prepare(for: ["agents.sock", "telemetry.sock"])
        }
        #expect(error?.code == .pathTooLong)
        #expect(failure(directory.check)?.code == .missing)
        try directory.prepare(for: ["agents.sock"])
        #expect(failure(directory.check) == nil)
    }

    @Test func socketPathsEndAt107Bytes() throws {
        let directory = try EndpointDirectory(path: place.path)
        let room = EndpointDirectory.socketPathBytesMax - place.path.utf8.count - 1
        let longest = String(repeating: "x", count: room)
        let path = try directory.socketPath(longest)
        #expect(path.utf8.count == 107)
        let error = failure { () throws(EndpointError) in _ = try directory.endpoint(longest + "x") }
        #expect(error?.code == .pathTooLong)
        #expect(error?.message.contains("has 108 bytes") == true)
        #expect(Reachability.check(path: path + "x") == .pathTooLong)
        // libzmq and the kernel see the same limit.
        let context = try Context()
        let socket = try Socket(context, .router, .broker)
        try socket.bind("ipc://" + path)
        #expect(Reachability.check(path: path) == .listening)
        let refused = #expect(throws: ZeroMQError.self) { try socket.bind("ipc://" + path + "x") }
        #expect(refused?.call == "zmq_bind")
        #expect(refused?.errno == ENAMETOOLONG)
        try directory.restrict(longest)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600)
    }

    @Test func secondHolderOfTheLockIsRefused() throws {
        let directory = try EndpointDirectory(path: place.path)
        var first: EndpointLock? = try EndpointLock(directory)
        #expect(first != nil)
        let error = failure { () throws(EndpointError) in _ = try EndpointLock(directory) }
        #expect(error?.code == .alreadyRunning)
        #expect(error?.message.contains("pid \(getpid())") == true)
        first = nil
        // The file that stays behind stops nobody.
        #expect(unsafe access(place.path + "/broker.lock", F_OK) == 0)
        let third = try EndpointLock(directory)
        #expect(third.path == place.path + "/broker.lock")
        var status = stat()
        #expect(unsafe stat(third.path, &status) == 0)
        #expect(status.st_mode & 0o777 & ~0o600 == 0)
    }

    @Test func lockIsFreeAfterTheDeathOfItsHolder() async throws {
        let path = place.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let lock = try EndpointLock(EndpointDirectory(path: path))
            kill(getpid(), SIGKILL)
            withExtendedLifetime(lock) {}
        }
        let lock = try EndpointLock(EndpointDirectory(path: path))
        #expect(lock.path == path + "/broker.lock")
    }

    @Test func lockInAMissingDirectoryNamesThePath() throws {
        let directory = try EndpointDirectory(path: place.path + "/none")
        let error = failure { () throws(EndpointError) in _ = try EndpointLock(directory) }
        #expect(error?.code == .system)
        #expect(error?.message == "\(place.path)/none/broker.lock: open: No such file or directory")
    }

    @Test func reachabilityTellsCausesApart() throws {
        let path = place.path + "/s.sock"
        #expect(Reachability.check(path: path) == .missing)
        #expect(Reachability.check(path: place.path) == .notASocket)
        let context = try Context()
        let socket = try Socket(context, .router, .broker)
        try socket.bind("ipc://" + path)
        #expect(Reachability.check(path: path) == .listening)
        // A socket file whose owner died: bound and closed without unlinking.
        let stale = place.path + "/stale.sock"
        let descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: stale.utf8) }
        let result = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0)
        close(descriptor)
        #expect(Reachability.check(path: stale) == .nobodyListens)
        for reason: Reachability in [.missing, .noPermission, .nobodyListens, .notASocket, .listening, .pathTooLong] {
            #expect(reason.explanation(path: path).contains(path))
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may connect to everything"))
    func lackOfPermissionIsTold() throws {
        let context = try Context()
        let socket = try Socket(context, .router, .broker)
        try socket.bind(place.endpoint("locked"))
        #expect(unsafe chmod(place.path + "/locked", 0o000) == 0)
        #expect(Reachability.check(path: place.path + "/locked") == .noPermission)
    }

    @Test func fileLimitIsRaisedToWhatIsAllowed() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            precondition(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            limit.rlim_cur = 64
            precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let raised = try raiseFileLimit()
            precondition(raised == Int(clamping: limit.rlim_max) && raised > 64)
            let again = try raiseFileLimit()
            precondition(again == raised)
        }
    }
}
