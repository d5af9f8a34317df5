import Configuration
import Glibc
import HTTPTransport
import JSON
import Resilience
import ZeroMQ

/// What `understudy check` found.
struct CheckReport {
    /// One model of the configured chain.
    struct Link {
        var model: ModelName
        /// Why it cannot be called; nil when it can.
        var obstacle: String?
    }

    /// One provider.
    struct Provider {
        var settings: ProviderSettings
        var key: KeySource.Status
    }

    /// Something on this machine that a service needs.
    struct Place {
        var name: String
        var path: String
        var isGood: Bool
        var state: String
    }

    /// The configuration's file; nil when it is built in.
    var file: String?
    /// The chain of a request that names no models.
    var chain: [Link]
    /// All providers by name.
    var providers: [Provider]
    /// Directory, sockets, journal, database.
    var places: [Place]
    /// What keeps requests from being answered.
    var problems: [String] = []
    /// What may be meant so, but should be known.
    var warnings: [String] = []

    /// The sockets of a bus.
    static let sockets = ["agents.sock", "workers.sock", "telemetry.sock"]

    /// Looks at this machine. Makes nothing; a socket is connected to and left at once.
    init(
        settings: Settings,
        directory: EndpointDirectory,
        environment: [String: String],
        fileLimit: Int? = highestFileLimit()
    ) {
        self.init(settings: settings, environment: environment, fileLimit: fileLimit)
        places = [Self.directory(directory)] + Self.sockets.map { Self.socket($0, in: directory) }
        if let journal = settings.bus.journalPath(inDirectory: directory.path) {
            places.append(Self.file("journal", journal, setting: #""bus"."journal""#, directory: directory))
            if MemoryFileSystem.contains(journal) {
                warnings.append(
                    "the journal \(journal) lies in memory (tmpfs): what it holds survives the broker, but not the machine; "
                        + #"name a file on a disk in "bus"."journal""#
                )
            }
        }
        let database = settings.telemetry.databasePath(inDirectory: directory.path)
        places.append(Self.file("database", database, setting: #""telemetry"."database""#, directory: directory))
        do throws(CommandFailure) {
            _ = try WorkerCommand.caFile(environment)
        } catch {
            problems.append(error.message)
        }
        for place in places where !place.isGood { problems.append("\(place.name): \(place.state)") }
    }

    /// Looks at models, providers and keys alone: what services tell when they start.
    init(settings: Settings, environment: [String: String], fileLimit: Int? = highestFileLimit()) {
        file = settings.file
        places = []
        providers = settings.providers.values.sorted { $0.name < $1.name }.map { provider in
            Provider(settings: provider, key: provider.key.status(environment: environment))
        }
        let routing = settings.routing
        var keys: [String: KeySource.Status] = [:]
        for provider in providers { keys[provider.settings.name] = provider.key }
        chain = []
        for text in [settings.defaultChatModel] + settings.fallbackModels {
            guard let model = routing.name(text), !chain.contains(where: { $0.model == model }) else { continue }
            var obstacle: String?
            if case .missing(let reason) = keys[model.provider] { obstacle = reason }
            chain.append(Link(model: model, obstacle: obstacle))
        }
        judgeKeys()
        let capacityMax = Self.workerCapacityMax(fileLimit: fileLimit)
        if let fileLimit, settings.bus.workerCapacity > capacityMax {
            warnings.append(
                "a process may open \(fileLimit) files here (ulimit -Hn): a worker takes \(capacityMax) requests at a time, not "
                    + #"the \#(settings.bus.workerCapacity) of "bus"."worker_capacity""#
            )
        }
    }

    /// Most requests at a time for which a worker has descriptors.
    static func workerCapacityMax(fileLimit: Int?) -> Int {
        fileLimit.map(HTTPTransport.Configuration.connectionsMax) ?? .max
    }

    private mutating func judgeKeys() {
        if chain.allSatisfy({ $0.obstacle != nil }) {
            let names = chain.map(\.model.description).joined(separator: ", ")
            problems.append("no model of the chain can be called (\(names)): set one of the keys, or try up --mock")
        } else {
            for link in chain {
                if let obstacle = link.obstacle { warnings.append("\(link.model) will be skipped: \(obstacle)") }
            }
        }
        for provider in providers {
            let settings = provider.settings
            if case .present = provider.key, !settings.baseURL.isEncrypted, !settings.baseURL.isLoopback {
                warnings.append("the key of \(settings.name) crosses the network in the clear: use https")
            }
            if case .file(let path) = settings.key, Self.othersMayRead(path) {
                warnings.append("others may read the key of \(settings.name): run chmod 600 \(path)")
            }
        }
    }

    private static func othersMayRead(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return false }
        return status.st_mode & 0o077 != 0
    }

    private static func directory(_ directory: EndpointDirectory) -> Place {
        var place = Place(name: "directory", path: directory.path, isGood: true, state: "ready")
        do throws(EndpointError) {
            _ = try directory.socketPath("telemetry.sock")
            try directory.check()
        } catch {
            if error.code == .missing, isWritable(FilePath.directory(of: directory.path)) {
                place.state = "will be made"
            } else {
                place.isGood = false
                place.state = error.message
            }
        }
        return place
    }

    private static func socket(_ name: String, in directory: EndpointDirectory) -> Place {
        let path = "\(directory.path)/\(name)"
        let reachability = Reachability.check(path: path)
        return switch reachability {
        case .listening: Place(name: name, path: path, isGood: true, state: "a broker listens")
        case .missing: Place(name: name, path: path, isGood: true, state: "no broker")
        case .nobodyListens: Place(name: name, path: path, isGood: true, state: "left by a broker that is gone")
        // Said once, for the directory.
        case .pathTooLong: Place(name: name, path: path, isGood: true, state: "path too long")
        case .noPermission, .notASocket, .failed:
            Place(name: name, path: path, isGood: false, state: reachability.explanation(path: path))
        }
    }

    /// A file that a service makes, or goes on with.
    private static func file(_ name: String, _ path: String, setting: String, directory: EndpointDirectory) -> Place {
        var place = Place(name: name, path: path, isGood: true, state: "writable")
        let parent = FilePath.directory(of: path)
        var status = stat()
        if unsafe stat(path, &status) == 0 {
            if status.st_mode & S_IFMT != S_IFREG {
                place.isGood = false
                place.state = "\(path) is no regular file: change \(setting)"
            } else if !isWritable(path) {
                place.isGood = false
                place.state = "\(path) may not be written: change its mode or \(setting)"
            }
        } else if isWritable(parent) || parent == directory.path {
            place.state = "will be made"
        } else {
            place.isGood = false
            place.state = "\(parent) does not exist or may not be written: make it, or change \(setting)"
        }
        return place
    }

    private static func isWritable(_ path: String) -> Bool {
        unsafe access(path, W_OK) == 0
    }
}
