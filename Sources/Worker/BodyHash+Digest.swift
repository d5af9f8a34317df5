import BusProtocol
import CCrypto
import CoreTypes

extension BodyHash {
    /// The SHA-256 of `body`.
    init(of body: Bytes) {
        var digest = [UInt8](repeating: 0, count: Self.byteCount)
        let done = unsafe body.withUnsafeBytes { bytes in
            unsafe EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil)
        }
        guard done == 1, let hash = unsafe digest.withUnsafeBytes({ unsafe BodyHash(bytes: $0) }) else {
            preconditionFailure("libcrypto has no memory for a SHA-256")
        }
        self = hash
    }
}
