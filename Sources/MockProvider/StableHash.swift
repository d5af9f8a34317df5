import CoreTypes

/// A hash that is the same in every process, for choices that must repeat.
///
/// Source: FNV-1a, 64 bits (Fowler, Noll, Vo), mixed by SplitMix64 because FNV's high bits are weak for short input.
struct StableHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Takes in the bytes of `text` and a mark of its end.
    mutating func combine(_ text: String) {
        for byte in text.utf8 { take(byte) }
        take(0xFF)
    }

    /// Takes in the eight bytes of `number`.
    mutating func combine(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            take(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    private mutating func take(_ byte: UInt8) {
        state = (state ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// A number in `0 ..< 1`.
    var unit: Double {
        var generator = generator
        return generator.nextUnit()
    }

    /// A generator whose numbers belong to what was taken in.
    var generator: SeededGenerator { SeededGenerator(seed: state) }
}
