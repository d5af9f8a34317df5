import CoreTypes
import Glibc

/// What the loss of power leaves of a file that was being written.
///
/// Only bytes that the write changed are in doubt, in whole frames of the log or pages of the database, since these are
/// what SQLite writes: the bytes beside them were synced before, or hold nothing that counts.
struct TornWrite {
    /// What the file holds.
    private(set) var bytes: [UInt8]
    /// Whether that is everything that was to be written.
    private(set) var isWhole = true
    /// What was done to it, for the trace.
    private(set) var words = "whole"

    /// Header of the log; header of a frame and a page; what a disk writes at once.
    static let logHeaderByteCount = 32
    static let frameByteCount = 24 + 4096
    static let sectorByteCount = 512

    /// What was there before takes the place of what is lost, or zeros or noise do.
    private enum Filling { case old, zeros, noise }

    /// Leaves a first part of what was appended to the log, cut between two frames or anywhere, or any of its sectors.
    init(log before: [UInt8], _ after: [UInt8], random: inout SeededGenerator) {
        bytes = after
        let header = Self.logHeaderByteCount
        let frame = Self.frameByteCount
        guard let range = Self.difference(before, after, header: header, unit: frame) else {
            return
        }
        switch random.below(10) {
        case 0..<3:
            // The header of a log that begins anew is synced before its frames are written.
            scatter(max(header, range.lowerBound)..<range.upperBound, before, random: &random)
        case let number:
            var cut = range.lowerBound + random.below(range.count + 1)
            if number < 7 { cut = max(range.lowerBound, cut < header ? 0 : cut - (cut - header) % frame) }
            let filling = [Filling.old, .old, .zeros, .noise][random.below(4)]
            replace(cut..<range.upperBound, with: filling, before, random: &random)
            if filling == .old, after.count > before.count { bytes.removeLast(after.count - max(cut, before.count)) }
            words = "cut at \(cut) of \(range.lowerBound) to \(range.upperBound) bytes, then \(filling)"
        }
        isWhole = Self.areEqual(bytes, after)
    }

    /// Leaves any sectors of what a checkpoint wrote into the database.
    init(database before: [UInt8], _ after: [UInt8], random: inout SeededGenerator) {
        bytes = after
        if let range = Self.difference(before, after, header: 0, unit: 4096) { scatter(range, before, random: &random) }
        isWhole = Self.areEqual(bytes, after)
    }

    private mutating func scatter(_ range: Range<Int>, _ before: [UInt8], random: inout SeededGenerator) {
        let odds = random.nextUnit()
        var start = range.lowerBound
        var lost = 0
        while start < range.upperBound {
            let end = min(range.upperBound, (start / Self.sectorByteCount + 1) * Self.sectorByteCount)
            if random.chance(odds) {
                replace(start..<end, with: .old, before, random: &random)
                lost += 1
            }
            start = end
        }
        words = "\(lost) sectors of \(range.lowerBound) to \(range.upperBound) bytes lost"
    }

    private mutating func replace(
        _ range: Range<Int>,
        with filling: Filling,
        _ before: [UInt8],
        random: inout SeededGenerator
    ) {
        var noise: [UInt8] = []
        if filling == .noise {
            noise = (0..<Self.sectorByteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, start + Self.sectorByteCount)
            let known = filling == .old ? max(start, min(end, before.count)) : start
            if known > start { bytes.replaceSubrange(start..<known, with: before[start..<known]) }
            if noise.isEmpty {
                bytes.replaceSubrange(known..<end, with: repeatElement(0, count: end - known))
            } else {
                bytes.replaceSubrange(known..<end, with: noise[..<(end - known)])
            }
            start = end
        }
    }

    /// From the first unit in which the files differ to the end of the last one; nil when they do not.
    ///
    /// Units and not bytes: a log's salts come from the system's chance, and a play must not depend on it.
    private static func difference(_ before: [UInt8], _ after: [UInt8], header: Int, unit: Int) -> Range<Int>? {
        var first: Int?
        var last = 0
        var start = 0
        while start < after.count {
            let end = min(after.count, start < header ? header : start + unit)
            if end > before.count || !areEqual(before, after, start..<end) {
                if first == nil { first = start }
                last = end
            }
            start = end
        }
        return first.map { $0..<last }
    }

    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && areEqual(left, right, 0..<left.count)
    }

    /// Not `==` of slices, which looks at byte after byte.
    private static func areEqual(_ left: [UInt8], _ right: [UInt8], _ range: Range<Int>) -> Bool {
        unsafe left.withUnsafeBytes { left in
            unsafe right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                return unsafe memcmp(left + range.lowerBound, right + range.lowerBound, range.count) == 0
            }
        }
    }
}
