import BusProtocol
import CoreTypes

/// Ids whose terminal is gone, kept for the dedup time as 128-bit digests so that an hour of traffic fits in memory.
///
/// The digest mixes two multiplicative hashes (after FNV-1a and MurmurHash3's finalizer) keyed by the dispatcher's seed;
/// a false match would answer 410 to a fresh id, and is about as likely as two equal random UUIDs.
struct Tombstones {
    private struct Digest: Hashable {
        var high: UInt64
        var low: UInt64

        /// Mixed with a secret seed already.
        func _rawHashValue(seed: Int) -> Int { mixedHash(low, seed: seed) }
    }

    private struct Expiry {
        var digest: Digest
        var due: Moment
    }

    private var bodies: [Digest: UInt64] = [:]
    /// How many expiries an id has beyond its last: it was remembered anew before the time was over, as after a restart
    /// under a clock that was set back. Nearly always empty.
    private var repeats: [Digest: Int] = [:]
    /// In rising order of time, because every id is kept equally long.
    private var expiries: [Expiry] = []
    private var head = 0
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    var count: Int { bodies.count }

    /// Remembers `key`, whose request had this body, until `due`.
    mutating func add(_ key: RequestKey, body: BodyHash, until due: Moment) {
        let digest = digest(of: key)
        if bodies.updateValue(body.words.0, forKey: digest) != nil { repeats[digest, default: 0] += 1 }
        expiries.append(Expiry(digest: digest, due: due))
    }

    /// Whether `key` is remembered.
    func contains(_ key: RequestKey) -> Bool { bodies[digest(of: key)] != nil }

    /// Whether `key` is remembered with this body; nil when it is not remembered.
    func matches(_ key: RequestKey, body: BodyHash) -> Bool? {
        guard let word = bodies[digest(of: key)] else { return nil }
        return word == body.words.0
    }

    /// Forgets what is due.
    mutating func expire(now: Moment) {
        while head < expiries.count, expiries[head].due <= now {
            expire(expiries[head].digest)
            head += 1
        }
        if head >= 4096, head * 2 >= expiries.count {
            expiries.removeFirst(head)
            head = 0
        }
    }

    /// Drops one expiry of an id, and the id with the last of them.
    private mutating func expire(_ digest: Digest) {
        guard let count = repeats[digest] else {
            bodies[digest] = nil
            return
        }
        repeats[digest] = count > 1 ? count - 1 : nil
    }

    private func digest(of key: RequestKey) -> Digest {
        var high = seed ^ 0x9E37_79B9_7F4A_7C15
        var low = seed &+ 0xD1B5_4A32_D192_ED03
        func absorb(_ byte: UInt64) {
            high = (high ^ byte) &* 0x0000_0100_0000_01B3
            high ^= high >> 29
            low = (low &+ byte) &* 0xFF51_AFD7_ED55_8CCD
            low ^= low >> 32
        }
        switch key.tenant {
        case .user(let uid): absorb(UInt64(uid) &+ 1)
        }
        var text = key.id.text
        text.withUTF8 { bytes in
            for index in bytes.indices { absorb(UInt64(unsafe bytes[index])) }
        }
        return Digest(high: high, low: low)
    }
}
