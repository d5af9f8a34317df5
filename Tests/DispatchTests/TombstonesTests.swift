import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Ids that are remembered")
struct TombstonesTests {
    private func key(_ text: String, _ user: UInt32 = 1) -> RequestKey {
        guard let id = RequestID(text) else { preconditionFailure("\(text) is no id") }
        return RequestKey(tenant: .user(user), id: id)
    }

    @Test("an id is known with its body until it is due, and not under another tenant")
    func known() {
        var tombstones = Tombstones(seed: 1)
        let body = BodyHash(1, 2, 3, 4)
        tombstones.add(key("a"), body: body, until: Moment(nanoseconds: 10))
        #expect(tombstones.contains(key("a")))
        #expect(tombstones.matches(key("a"), body: body) == true)
        #expect(tombstones.matches(key("a"), body: BodyHash(5, 2, 3, 4)) == false)
        #expect(tombstones.matches(key("b"), body: body) == nil)
        #expect(!tombstones.contains(key("a", 2)))
        tombstones.expire(now: Moment(nanoseconds: 9))
        #expect(tombstones.contains(key("a")))
        tombstones.expire(now: Moment(nanoseconds: 10))
        #expect(!tombstones.contains(key("a")))
        #expect(tombstones.count == 0)
    }

    @Test("an id that is remembered anew is known until the last of its times", arguments: [1, 2, 5])
    func anew(_ times: Int) {
        var tombstones = Tombstones(seed: 1)
        for time in 1...times {
            tombstones.add(
                key("a"),
                body: BodyHash(UInt64(time), 2, 3, 4),
                until: Moment(nanoseconds: 10 * Int64(time))
            )
            tombstones.add(key("b\(time)"), body: BodyHash(1, 2, 3, 4), until: Moment(nanoseconds: 10 * Int64(time)))
        }
        for time in 1..<times {
            tombstones.expire(now: Moment(nanoseconds: 10 * Int64(time)))
            #expect(tombstones.matches(key("a"), body: BodyHash(UInt64(times), 2, 3, 4)) == true)
            #expect(tombstones.count == 1 + times - time)
        }
        tombstones.expire(now: Moment(nanoseconds: 10 * Int64(times)))
        #expect(tombstones.count == 0)
        // And once more, as if it had never been there.
        tombstones.add(key("a"), body: BodyHash(1, 2, 3, 4), until: Moment(nanoseconds: 1000))
        tombstones.expire(now: Moment(nanoseconds: 1000))
        #expect(tombstones.count == 0)
    }

    @Test("many short and similar ids of many tenants do not meet", arguments: [0, 1, .max] as [UInt64])
    func distinct(_ seed: UInt64) {
        var tombstones = Tombstones(seed: seed)
        var count = 0
        for user: UInt32 in 0..<40 {
            for number in 0..<500 {
                for text in ["\(number)", "r\(number)", "\(number).0"] {
                    #expect(!tombstones.contains(key(text, user)))
                    tombstones.add(key(text, user), body: BodyHash(1, 2, 3, 4), until: .zero)
                    count += 1
                }
            }
        }
        #expect(tombstones.count == count)
        tombstones.expire(now: .zero)
        #expect(tombstones.count == 0)
    }

    @Test("ids come and go in order, however many")
    func expiry() {
        var tombstones = Tombstones(seed: 9)
        for number in 0..<20_000 {
            let now = Moment(nanoseconds: Int64(number))
            tombstones.add(key("r\(number)"), body: BodyHash(1, 2, 3, 4), until: now.advanced(by: .nanoseconds(100)))
            tombstones.expire(now: now)
            #expect(tombstones.count == min(number + 1, 100))
        }
        #expect(tombstones.contains(key("r19999")) && !tombstones.contains(key("r19899")))
    }
}
