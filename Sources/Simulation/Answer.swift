/// An answer to the sender of a message, as far as it is predicted.
enum Answer: Equatable {
    case welcome
    case pong
    case ok
    case error(Int)
    case accepted(duplicate: Bool)
    case rejected
    case state
    case terminal
}
