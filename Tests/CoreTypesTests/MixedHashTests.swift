import CoreTypes
import Testing

@Suite struct MixedHashTests {
    /// Numbers that follow each other, or differ in high bits alone, are what the keys of a broker look like.
    @Test(arguments: [1, 4096, 1 << 32, 1 << 52]) func spreadsEvenSteps(step: UInt64) {
        var loads = [Int](repeating: 0, count: 1024)
        for number in 0..<UInt64(4096) { loads[mixedHash(number &* step, seed: 7) & 1023] += 1 }
        // 4 are expected in each; by chance one of 1024 has 16 in every 200th table, and a fifty-fifth is empty.
        #expect(loads.max() ?? 0 < 16)
        #expect(loads.count { $0 == 0 } < 1024 / 8)
    }

    @Test func anotherSeedGivesAnotherOrder() {
        let numbers = Array(UInt64(0)..<64)
        func order(_ seed: Int) -> [UInt64] {
            numbers.sorted { mixedHash($0, seed: seed) < mixedHash($1, seed: seed) }
        }
        #expect(order(1) != order(2))
        #expect(order(1) == order(1))
    }
}
