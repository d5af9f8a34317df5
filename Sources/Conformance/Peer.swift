import BusProtocol
import CoreTypes
import ZeroMQ

/// A socket that the tester plays a part with, and what came by it.
final class Peer {
    /// What a message must fit to be well-formed.
    enum Grammar {
        case brokerToAgent, brokerToWorker, agentToBroker, workerToBroker, anything
    }

    /// The part, for the record of the exchange.
    let name: String
    let socket: Socket
    let grammar: Grammar
    /// Frames that are sent before F0: an agent that makes its envelope itself.
    var envelope: [[UInt8]] = []
    /// Messages that were not looked at yet.
    var inbox: [Heard] = []
    /// Looks at each message as it comes; true when it is dealt with and does not go into ``inbox``.
    var onMessage: ((Heard) throws -> Bool)?
    /// A peer that does not read is played by one that is not asked.
    var isReading = true
    /// Something was sent and not answered; matters to a REQ only.
    var awaitsAnswer = false

    init(_ name: String, _ socket: Socket, _ grammar: Grammar) {
        self.name = name
        self.socket = socket
        self.grammar = grammar
    }

    var isRouter: Bool { socket.kind == .router }

    /// What is wrong with a message; nil when it fits the grammar. Verbs that are not known break nothing.
    func fault(of heard: Heard) -> BusError? {
        let frames = FrameList(heard.frames)
        do throws(BusError) {
            switch grammar {
            case .brokerToAgent: _ = try AgentInbound.decode(frames)
            case .brokerToWorker: _ = try BrokerMessage.decode(frames)
            case .agentToBroker: _ = try AgentMessage.decode(frames)
            case .workerToBroker: _ = try WorkerMessage.decode(frames)
            case .anything: break
            }
            return nil
        } catch {
            let isForeign = grammar == .brokerToAgent || grammar == .brokerToWorker
            return isForeign && error.code == .notImplemented ? nil : error
        }
    }
}
