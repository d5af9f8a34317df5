import BusProtocol
import CCrypto

/// SHA-256 by OpenSSL: what makes two bodies the same.
enum SHA256 {
    /// The hash of `bytes`.
    static func hash(_ bytes: [UInt8]) -> BodyHash {
        var digest = [UInt8](repeating: 0, count: BodyHash.byteCount)
        let done = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        precondition(done == 1, "OpenSSL offers no SHA-256")
        guard let hash = unsafe digest.withUnsafeBytes({ unsafe BodyHash(bytes: $0) }) else {
            preconditionFailure("SHA-256 has \(digest.count) bytes")
        }
        return hash
    }
}
