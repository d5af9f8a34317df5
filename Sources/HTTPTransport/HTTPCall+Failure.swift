import CCurl
import EventLoop
import Glibc

// What a result of libcurl means.
extension HTTPCall {
    /// The error behind `result`; nil when the response is complete.
    func failure(of result: CURLcode, message: String) -> TransportError? {
        let number = Int(result.rawValue)
        if result == CURLE_OK, verdict == nil {
            // libcurl takes a head that ends with the connection for a response.
            if head.completeHead != nil { return nil }
            return error(.closedBeforeHead, "the connection was closed within the response's head")
        }
        if let verdict { return error(verdict.code, verdict.message, curlCode: number) }
        if result == CURLE_COULDNT_CONNECT, let socketError {
            let code: TransportError.Code = Self.isOfDescriptors(socketError) ? .outOfDescriptors : .internal
            return error(code, socketError.description, curlCode: number)
        }
        if !phases.requestSent, Self.mayWantDescriptors(result), let lack = Self.lackOfDescriptors() {
            return error(.outOfDescriptors, lack.description, curlCode: number)
        }
        if result == CURLE_OUT_OF_MEMORY, phases.requestSent, head.completeHead == nil {
            // A line beyond what libcurl holds (CURL_MAX_HTTP_HEADER) is reported as memory that ran out.
            return error(.headTooLarge, "a line of the response's head is longer than 100 KB", curlCode: number)
        }
        return error(code(of: result, message), message, curlCode: number)
    }

    /// Whether it can come from a lookup or a file of certificates that got no descriptor; libcurl does not tell.
    private static func mayWantDescriptors(_ result: CURLcode) -> Bool {
        [CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_SSL_CACERT_BADFILE, CURLE_OUT_OF_MEMORY]
            .contains(result)
    }

    /// Why a descriptor cannot be had now; nil when one can.
    private static func lackOfDescriptors() -> SystemError? {
        let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard descriptor < 0 else {
            close(descriptor)
            return nil
        }
        let error = SystemError.last("open", "/dev/null")
        return isOfDescriptors(error) ? error : nil
    }

    private static func isOfDescriptors(_ error: SystemError) -> Bool { [EMFILE, ENFILE].contains(error.errno) }

    private func code(of result: CURLcode, _ message: String) -> TransportError.Code {
        switch result {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .nameLookup
        case CURLE_COULDNT_CONNECT, CURLE_PROXY, CURLE_INTERFACE_FAILED, CURLE_NO_CONNECTION_AVAILABLE: .connect
        case CURLE_OPERATION_TIMEDOUT: .connectTimeout
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_CRL_BADFILE, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS:
            .certificate
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CIPHER, CURLE_SSL_SHUTDOWN_FAILED,
            CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED:
            .tls
        case CURLE_URL_MALFORMAT: .badURL
        // A reply without a status line, which only HTTP/0.9 would allow, is reported as an unsupported protocol.
        case CURLE_UNSUPPORTED_PROTOCOL: phases.requestSent ? .malformedResponse : .badURL
        case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_WRITE_ERROR:
            .malformedResponse
        case CURLE_SEND_ERROR, CURLE_SEND_FAIL_REWIND: .sendFailed
        case CURLE_GOT_NOTHING: .closedBeforeHead
        case CURLE_PARTIAL_FILE: head.completeHead == nil ? .closedBeforeHead : .closedMidBody
        case CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            if !phases.requestSent {
                .connect
            } else if message.hasSuffix("in chunked-encoding") {
                // The only trace of broken chunks in this result.
                .malformedResponse
            } else {
                head.completeHead == nil ? .closedBeforeHead : .closedMidBody
            }
        default: .internal
        }
    }
}
