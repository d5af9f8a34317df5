import BusProtocol
import CCrypto
import CoreTypes

/// Computes ``BodyHash``: SHA-256 by OpenSSL, which uses the processor's instructions for it.
@safe final class BodyDigest {
    private let context: OpaquePointer
    private let algorithm: OpaquePointer

    init() {
        guard let context = unsafe EVP_MD_CTX_new(), let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil) else {
            preconditionFailure("OpenSSL offers no SHA-256")
        }
        unsafe self.context = context
        unsafe self.algorithm = algorithm
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
        unsafe EVP_MD_free(algorithm)
    }

    /// The hash over some frames of a message, one after another.
    func hash(_ message: ReceivedMessage, frames: Range<Int>) -> BodyHash {
        var fine = unsafe EVP_DigestInit_ex(context, algorithm, nil) == 1
        for index in frames {
            unsafe message.withFrame(index) { bytes in
                fine = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 && fine
            }
        }
        return finish(fine)
    }

    /// The hash over frames that are kept.
    func hash(_ frames: [Bytes]) -> BodyHash {
        var fine = unsafe EVP_DigestInit_ex(context, algorithm, nil) == 1
        for frame in frames {
            unsafe frame.withUnsafeBytes { bytes in
                fine = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 && fine
            }
        }
        return finish(fine)
    }

    private func finish(_ isFine: Bool) -> BodyHash {
        var fine = isFine
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        unsafe withUnsafeMutableBytes(of: &words) { digest in
            let start = unsafe digest.baseAddress?.assumingMemoryBound(to: UInt8.self)
            fine = unsafe EVP_DigestFinal_ex(context, start, nil) == 1 && fine
        }
        precondition(fine, "OpenSSL failed to hash")
        return BodyHash(words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
    }
}
