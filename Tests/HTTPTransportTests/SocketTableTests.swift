import Testing

@testable import HTTPTransport

@Suite struct SocketTableTests {
    @Test func aConnectionStaysWatchedBetweenItsCalls() {
        var table = SocketTable()
        table.opened(7)
        #expect(!table.isWatched(7))
        table.wanted(7)
        #expect(table.isWatched(7) && !table.isIdle(7))
        let stays = table.released(7)
        #expect(stays)
        #expect(table.isWatched(7) && table.isIdle(7))
        table.wanted(7)
        #expect(!table.isIdle(7))
        #expect(table.watched == [7])
    }

    @Test func aSocketOfUnknownLifeIsLetGoAtOnce() {
        var table = SocketTable()
        table.wanted(3)
        let stays = table.released(3)
        #expect(!stays)
        table.unwatched(3)
        #expect(table.watched.isEmpty)
    }

    @Test func aNewOwnerOfANumberInheritsNothing() {
        var table = SocketTable()
        table.opened(5)
        table.wanted(5)
        _ = table.released(5)
        table.closed(5)
        #expect(!table.isWatched(5) && !table.isIdle(5))
        table.wanted(5)
        let stays = table.released(5)
        #expect(!stays)
    }
}
