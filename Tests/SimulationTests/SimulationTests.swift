import CoreTypes
import Simulation
import Testing

/// The broker's decisions under seeds of faults, in blocks so that a failing one is named quickly.
@Suite struct SimulationTests {
    @Test(arguments: 0..<8) func everySeedKeepsTheRules(block: Int) {
        for seed in UInt64(block * 50 + 1)...UInt64((block + 1) * 50) {
            let play = Simulation(seed: seed)
            #expect(play.violation == nil, "understudy simulate --seeds 1 --from \(seed) --trace")
        }
    }

    @Test func theSameSeedIsTheSamePlay() {
        for seed in UInt64(1)...20 {
            let first = Simulation(seed: seed)
            let second = Simulation(seed: seed)
            #expect(first.hash == second.hash)
            #expect(first.statistics.calls == second.statistics.calls)
        }
        #expect(Simulation(seed: 1).hash != Simulation(seed: 2).hash)
    }

    @Test func keepingATraceChangesNothing() {
        for seed in UInt64(1)...5 {
            let traced = Simulation(seed: seed, tracing: true)
            #expect(!traced.trace.isEmpty)
            #expect(traced.hash == Simulation(seed: seed).hash)
        }
        #expect(Simulation(seed: 1).trace.isEmpty)
        #expect(Simulation(seed: 9, tracing: true).trace == Simulation(seed: 9, tracing: true).trace)
    }

    @Test func thePlaysTogetherReachEveryKindOfEndAndFault() {
        var sum = SimulationStatistics()
        for seed in UInt64(1)...300 { sum.add(Simulation(seed: seed).statistics) }
        let kinds = Set(sum.terminals.map(\.kind))
        #expect(kinds.isSuperset(of: ["reply", "failure cancelled", "failure deadline", "failure worker_lost"]))
        #expect(kinds.contains("failure shutting_down"))
        #expect(sum.workerCrashes > 100)
        #expect(sum.agentCrashes > 100)
        #expect(sum.freezes > 50)
        #expect(sum.stalls > 20)
        #expect(sum.reconnects > 20)
        #expect(sum.calls > sum.requests / 2)
        #expect(sum.contestedTurns > 500)
        #expect(sum.brokerCrashes > 50)
        #expect(sum.commits > 1000)
        #expect(sum.commitFailures > 10)
        #expect(sum.diskPlays > 10)
        #expect(sum.logCuts > 5)
        // The others were lost with a broker's memory before anything was promised, or refused by the journal.
        #expect(sum.terminals.reduce(0) { $0 + $1.count } > sum.requests / 2)
    }
}
