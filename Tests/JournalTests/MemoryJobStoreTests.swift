import BusProtocol
import CoreTypes
import Journal
import Testing

@Suite struct MemoryJobStoreTests {
    private func key(_ id: String) throws -> RequestKey {
        RequestKey(tenant: .user(1000), id: try #require(RequestID(id)))
    }

    @Test func theBodyStaysUntilTheTerminal() throws {
        var store = MemoryJobStore()
        let job = JobNumber(1)
        store.keepRequest(job, try key("a"), body: [Bytes("question")])
        #expect(store.body(of: job) == [Bytes("question")])
        #expect(store.terminal(of: job) == nil)

        let terminal = StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes("answer")])
        store.keepTerminal(job, terminal)
        #expect(store.body(of: job) == nil)
        #expect(store.terminal(of: job) == terminal)
        #expect(store.count == 1)
    }

    @Test func aForgottenJobIsGone() throws {
        var store = MemoryJobStore()
        store.keepRequest(JobNumber(1), try key("a"), body: [])
        store.keepRequest(JobNumber(2), try key("b"), body: [Bytes("two")])
        store.forget(JobNumber(1))
        store.forget(JobNumber(7))
        #expect(store.body(of: JobNumber(1)) == nil)
        #expect(store.body(of: JobNumber(2)) == [Bytes("two")])
        #expect(store.count == 1)
    }

    @Test func itCountsTheBytesOfTerminalsOnly() throws {
        var store = MemoryJobStore()
        store.keepRequest(JobNumber(1), try key("a"), body: [Bytes("question")])
        #expect(store.terminalBytes == 0)
        store.keepTerminal(
            JobNumber(1),
            StoredTerminal(.reply, header: Bytes("{}"), body: [Bytes("an"), Bytes("swer")])
        )
        #expect(store.terminalBytes == 8)
        store.keepRequest(JobNumber(2), try key("b"), body: [Bytes("question")])
        store.forget(JobNumber(2))
        #expect(store.terminalBytes == 8)
        store.forget(JobNumber(1))
        store.forget(JobNumber(1))
        #expect(store.terminalBytes == 0)
    }

    @Test func itPromisesMemoryOnly() {
        #expect(MemoryJobStore().durability == .memory)
    }

    @Test func aSecondTerminalIsAProgrammersError() async {
        await #expect(processExitsWith: .failure) {
            var store = MemoryJobStore()
            store.keepTerminal(JobNumber(1), StoredTerminal(.failure, header: Bytes("{}")))
        }
    }
}
