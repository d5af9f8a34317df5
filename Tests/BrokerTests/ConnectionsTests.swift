import Dispatch
import Testing

@testable import Broker

@Suite struct ConnectionsTests {
    private let first = ConnectionID(1)
    private let second = ConnectionID(2)

    private func entry(_ descriptor: Int32) -> Connections.Entry {
        Connections.Entry(descriptor: descriptor, uid: 1000, pid: 42)
    }

    @Test func anEndedDescriptorNamesItsConnectionOnce() {
        var connections = Connections()
        let found1 = connections.enter(first, entry(7))
        #expect(found1 == nil)
        let found2 = connections.end(descriptor: 7)
        #expect(found2 == first)
        let found3 = connections.end(descriptor: 7)
        #expect(found3 == nil)
        #expect(connections[first]?.descriptor == nil)
        #expect(connections[first]?.pid == 42)
    }

    @Test func aReusedDescriptorTellsOfTheEndThatWasNotSeen() {
        var connections = Connections()
        let found4 = connections.enter(first, entry(7))
        #expect(found4 == nil)
        let found5 = connections.enter(second, entry(7))
        #expect(found5 == first)
        connections.remove(first)
        let found6 = connections.end(descriptor: 7)
        #expect(found6 == second)
    }

    @Test func removingForgetsTheDescriptorToo() {
        var connections = Connections()
        let found7 = connections.enter(first, entry(7))
        #expect(found7 == nil)
        connections.remove(first)
        #expect(connections[first] == nil)
        let found8 = connections.end(descriptor: 7)
        #expect(found8 == nil)
    }

    @Test func aConnectionThatHasEndedBeforeItSaidAnythingHasNoDescriptor() {
        var connections = Connections()
        let unknown = connections.end(descriptor: 7)
        #expect(unknown == nil)
        let former = connections.enter(first, entry(7))
        #expect(former == nil)
        #expect(connections.contains(first) && connections[first]?.descriptor == nil)
        let older = connections.begin(descriptor: 7)
        #expect(older == nil)
        let none = connections.enter(second, entry(7))
        #expect(none == nil)
        #expect(connections[second]?.descriptor == 7)
    }

    @Test func aNewConnectionTellsOfTheEndThatWasNotSeen() {
        var connections = Connections()
        let found1 = connections.enter(first, entry(7))
        let found2 = connections.begin(descriptor: 7)
        #expect(found1 == nil && found2 == first)
        #expect(connections[first]?.descriptor == nil)
    }

    @Test func theOlderOfTwoWithOneDescriptorIsTheOneThatIsGone() {
        var connections = Connections()
        let newer = connections.enter(second, entry(7))
        let older = connections.enter(first, entry(7))
        #expect(newer == nil && older == nil)
        #expect(connections[first]?.descriptor == nil && connections[second]?.descriptor == 7)
        // Ids wrap round.
        let last = connections.enter(ConnectionID(.max), entry(8))
        let wrapped = connections.enter(ConnectionID(0), entry(8))
        #expect(last == nil && wrapped == ConnectionID(.max))
    }

    @Test func aConnectionThatCannotBeReachedIsLostOnce() {
        var connections = Connections()
        _ = connections.enter(first, entry(7))
        let lost = [connections.lose(first), connections.lose(first), connections.lose(second)]
        #expect(lost == [true, false, false])
        let ended = connections.end(descriptor: 7)
        #expect(ended == nil)
    }
}
