import BusProtocol
import HTTPTransport
import Resilience

/// What an error of the transport means for the attempt.
enum TransportVerdict: Sendable, Hashable {
    /// The attempt failed.
    case failed(AttemptFailure)
    /// The call never left this process, for want of room or of descriptors of our own: no provider failed, it may be
    /// begun again.
    case notBegun
    /// We closed the call ourselves: nobody waits for its end.
    case closed

    /// Sorts `error`.
    init(_ error: TransportError) {
        let wasSent = error.phases.requestSent
        switch error.code {
        case .cancelled:
            self = .closed
        case .queueFull, .outOfDescriptors:
            self = .notBegun
        case .firstByteTimeout, .silenceTimeout, .totalTimeout:
            self = .failed(
                AttemptFailure(.localTimeout, httpStatus: error.status, message: error.message, wasSent: wasSent)
            )
        case .bodyTooLarge, .headTooLarge:
            // The same question has an answer of the same size, and is paid for each time; another model may be briefer.
            self = .failed(
                AttemptFailure(
                    .malformedResponse,
                    httpStatus: error.status,
                    sameModelAdvice: false,
                    message: error.message
                )
            )
        case .malformedResponse:
            self = .failed(AttemptFailure(.malformedResponse, httpStatus: error.status, message: error.message))
        case .certificate, .badURL, .badRequest:
            // The same again ends the same; another provider may do.
            self = .failed(
                AttemptFailure(.connection, sameModelAdvice: false, message: error.message, wasSent: wasSent)
            )
        default:
            // nameLookup, connect, connectTimeout, tls, sendFailed, closedBeforeHead, closedMidBody, and internal: memory
            // that ran out here comes back as quickly as a network does.
            self = .failed(
                AttemptFailure(.connection, httpStatus: error.status, message: error.message, wasSent: wasSent)
            )
        }
    }
}
