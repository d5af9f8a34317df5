/// A hash for `_rawHashValue(seed:)` of keys that no stranger chooses, a tenth of the price of Swift's own.
///
/// Not for names that come from outside: whoever knows the function finds values that collide. The finalizer of
/// MurmurHash3 (Appleby, 2011).
@inlinable public func mixedHash(_ value: UInt64, seed: Int) -> Int {
    var hash = value ^ UInt64(bitPattern: Int64(seed))
    hash ^= hash >> 33
    hash &*= 0xFF51_AFD7_ED55_8CCD
    hash ^= hash >> 33
    hash &*= 0xC4CE_B9FE_1A85_EC53
    return Int(truncatingIfNeeded: hash ^ hash >> 33)
}
