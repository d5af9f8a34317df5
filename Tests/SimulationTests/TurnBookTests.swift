import BusProtocol
import CoreTypes
import Dispatch
import Testing

@testable import Simulation

/// The referee's own account of turns finds what would be unfair.
@Suite struct TurnBookTests {
    private let book = TurnBook()

    private func wait(
        _ number: UInt64,
        tenant: UInt32 = 1,
        connection: UInt32 = 1,
        priority: Int = 5,
        bytes: Int = 100
    ) throws -> RequestRecord {
        var header = RequestHeader()
        header.priority = priority
        let sender = ConnectionID(connection)
        let record = RequestRecord(
            JobNumber(number),
            RequestKey(tenant: .user(tenant), id: try #require(RequestID("r\(number)"))),
            header,
            BodyFacts(hash: BodyHash(number, 0, 0, 0), byteCount: bytes),
            durability: .memory,
            path: AgentPath(connection: sender, envelope: .none),
            now: .zero
        )
        record.turns = book
        book.enter(record, from: sender)
        return record
    }

    /// Hands out a request; tells which promise that broke.
    private func take(_ record: RequestRecord) -> String? {
        let broken = book.turn(of: record)
        record.state = .leased(ConnectionID(99))
        return broken
    }

    @Test func twoTurnsOfOneTenantWhileAnotherWaitsAreFound() throws {
        let greedy = try (1...3).map { try wait($0) }
        _ = try wait(4, tenant: 2)
        #expect(take(greedy[0]) == nil)
        #expect(take(greedy[1]) == "uid-2 waits, uid-1 had 2 turns, the bound is 1")
    }

    @Test func aLargeRequestIsPaidForAfterItsTurn() throws {
        // Two units; so the other has two turns behind it, and not three.
        let large = try wait(1, bytes: 65_537)
        _ = try wait(2)
        let others = try (3...5).map { try wait($0, tenant: 2) }
        #expect(take(large) == nil)
        #expect(take(others[0]) == nil)
        #expect(take(others[1]) == nil)
        #expect(take(others[2])?.contains("uid-1 waits, uid-2 had 3 turns, the bound is 2") == true)
    }

    @Test func whoBeginsToWaitAnewIsOvertakenAnew() throws {
        let greedy = try (1...4).map { try wait($0) }
        let first = try wait(5, tenant: 2)
        #expect(take(greedy[0]) == nil)
        first.state = .ended
        #expect(take(greedy[1]) == nil)
        _ = try wait(6, tenant: 2)
        #expect(take(greedy[2]) == nil)
        #expect(take(greedy[3]) != nil)
    }

    @Test func twoTurnsOfOneConnectionWhileAnotherWaitsAreFound() throws {
        let greedy = try (1...2).map { try wait($0) }
        _ = try wait(3, connection: 2)
        #expect(take(greedy[0]) == nil)
        #expect(take(greedy[1])?.contains("had 2 turns, the bound is 1") == true)
    }

    @Test func whatCameBackTakesNoTurnOfItsConnectionAndGoesFirst() throws {
        let greedy = try (1...2).map { try wait($0) }
        let other = try wait(3, connection: 2)
        #expect(take(greedy[0]) == nil)
        greedy[0].state = .queued
        #expect(book.turn(of: other)?.contains("came back") == true)
        #expect(take(greedy[0]) == nil)
    }

    @Test func theOrderWithinAConnectionIsThatOfTheRequests() throws {
        let requests = try (1...2).map { try wait($0) }
        #expect(take(requests[1])?.contains("of the same connection") == true)
    }

    @Test(arguments: Limits.priority) func noPriorityIsOvertakenMoreOftenThanStated(priority: Int) throws {
        let others = try (1...UInt64(TurnBook.overtakenMax[priority] + 1)).map {
            try wait($0, priority: priority == 0 ? 1 : 0)
        }
        _ = try wait(1000, priority: priority)
        for other in others.dropLast() { #expect(take(other) == nil) }
        #expect(take(others[others.count - 1])?.contains("priority \(priority) of uid-1 was overtaken") == true)
    }

    @Test func aNewBrokerKnowsNoSendersAndNoDebts() throws {
        let requests = try (1...2).map { try wait($0, bytes: 1 << 20) } + [try wait(3, connection: 2)]
        #expect(take(requests[0]) == nil)
        requests[0].state = .gone
        book.restart(with: requests)
        // All of them stand in one line now.
        #expect(book.turn(of: requests[2])?.contains("of the same connection") == true)
        #expect(take(requests[1]) == nil)
        #expect(take(requests[2]) == nil)
    }
}
