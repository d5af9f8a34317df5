import EventLoop
import Testing

@testable import HTTPTransport

@Suite struct SocketTableTests {
    @Test func aConnectionStaysWatchedBetweenItsCalls() {
        var table = SocketTable()
        table.opened(7)
        #expect(!table.isWatched(7))
        table.wanted(7, .read, carriesRequest: true)
        #expect(table.isWatched(7) && !table.isIdle(7))
        let stays = table.released(7)
        #expect(stays)
        #expect(table.isWatched(7) && table.isIdle(7))
        table.wanted(7, .read, carriesRequest: true)
        #expect(!table.isIdle(7))
        #expect(table.watched == [7])
    }

    @Test func aSocketOfUnknownLifeIsLetGoAtOnce() {
        var table = SocketTable()
        table.wanted(3, .read, carriesRequest: true)
        let stays = table.released(3)
        #expect(!stays)
        table.unwatched(3)
        #expect(table.watched.isEmpty)
    }

    /// As over TLS, where libcurl asks for it once, for the handshake.
    @Test func aConnectionThatIsKnownLateToCarryARequestStaysWatched() {
        var table = SocketTable()
        table.opened(6)
        table.wanted(6, .read, carriesRequest: false)
        let stays = table.released(6, carriedRequest: true)
        #expect(stays && table.isIdle(6))
    }

    @Test func aPausedCallsConnectionIsNotIdle() {
        var table = SocketTable()
        table.opened(4)
        table.wanted(4, .read, carriesRequest: true)
        let stays = table.released(4, isPaused: true)
        #expect(!stays && !table.isIdle(4))
    }

    @Test func aNewOwnerOfANumberInheritsNothing() {
        var table = SocketTable()
        table.opened(5)
        table.wanted(5, .read, carriesRequest: true)
        _ = table.released(5)
        table.closed(5)
        #expect(!table.isWatched(5) && !table.isIdle(5))
        table.wanted(5, .read, carriesRequest: true)
        let stays = table.released(5)
        #expect(!stays)
    }

    @Test func aSocketThatOnlyTriedToConnectIsLetGoAtOnce() {
        var table = SocketTable()
        table.opened(7)
        table.wanted(7, .read, carriesRequest: false)
        let stays = table.released(7)
        #expect(!stays)
    }

    @Test func whatIsAskedOfANumberOutlivesASilentClose() {
        var table = SocketTable()
        #expect(table.interest(in: 7) == nil)
        table.opened(7)
        table.wanted(7, .write, carriesRequest: false)
        #expect(table.interest(in: 7) == .write)
        _ = table.released(7)
        #expect(table.interest(in: 7) == nil)
        table.wanted(7, .read, carriesRequest: false)
        table.closed(7)
        #expect(table.interest(in: 7) == nil)
    }
}
