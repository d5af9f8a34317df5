import BusProtocol
import CoreTypes
public import ZeroMQ

/// A worker of its own process that a broker's examination kills: it takes one request and waits for its end.
public enum VictimWorker {
    /// Plays the worker; says "leased" or "started" when it is there, and then lives on until it is killed or the time
    /// is over.
    ///
    /// - Parameter until: `leased` or `started`.
    public static func play(
        directory: EndpointDirectory,
        until: String,
        say: (String) -> Void
    ) throws {
        guard let reach = BrokerExam.Reach(rawValue: until) else {
            throw ConformanceError(.unsuitable, "\"\(until)\" is not leased or started")
        }
        let exam = BrokerExam(
            context: try Context(),
            stop: StopFlag(),
            directory: directory,
            broker: nil,
            workerProgram: [],
            vectors: nil
        )
        try exam.begin(limit: .seconds(120))
        defer { exam.end() }
        do {
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker)
            if reach == .started { try exam.go(worker, job) }
            say(reach.rawValue)
            try exam.pause(.seconds(100))
        } catch CaseEnd.failed(let text) {
            throw ConformanceError(.unreachable, text)
        }
    }
}
