import Testing

@testable import Worker

struct CreditAccountTests {
    @Test func aRiseIsKeptWhileTheBrokerHasMoreThanHalfOfWhatCouldBeGranted() {
        var account = CreditAccount(capacity: 8)
        #expect(account.nextTotal(held: 0) == 8)
        for received in 1...3 {
            account.jobReceived()
            #expect(account.nextTotal(held: 0) == nil, "\(8 - received) are left")
        }
        account.jobReceived()
        #expect(account.nextTotal(held: 0) == 12)
        #expect(account.nextTotal(held: 0) == nil)
    }

    @Test func afterReturnFullTheBrokerIsToldOfTheNextPlace() {
        var account = CreditAccount(capacity: 8)
        #expect(account.nextTotal(held: 0) == 8)
        account.jobReceived()
        account.saidFull()
        #expect(account.nextTotal(held: 0) == 9)
        account.jobReceived()
        #expect(account.nextTotal(held: 0) == nil)
    }

    @Test(arguments: 1...20)
    func aBrokerThatUsedAllIsToldOfEachPlaceThatIsFree(capacity: Int) {
        var account = CreditAccount(capacity: capacity)
        #expect(account.nextTotal(held: 0) == UInt64(capacity))
        for _ in 0..<capacity { account.jobReceived() }
        #expect(account.nextTotal(held: capacity) == nil)
        #expect(account.nextTotal(held: capacity - 1) == UInt64(capacity + 1))
    }

    /// Whatever happens, at least half of the room is granted, and never more than all of it.
    @Test(arguments: [1, 2, 3, 7, 64, 1000])
    func atLeastHalfOfTheRoomIsGranted(capacity: Int) {
        var account = CreditAccount(capacity: capacity)
        var random = SystemRandomNumberGenerator()
        var held = 0
        var total: UInt64 = 0
        for _ in 0..<10_000 {
            total = account.nextTotal(held: held) ?? total
            #expect(total == account.granted)
            let left = Int(total - account.received)
            let room = capacity - held
            #expect(left <= room && left * 2 >= room, "\(left) of \(room)")
            if Bool.random(using: &random), left > 0 {
                account.jobReceived()
                held += 1
            } else if held > 0 {
                held -= Int.random(in: 1...held, using: &random)
            }
        }
    }
}
