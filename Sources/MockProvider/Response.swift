/// What a connection sends for one request, and what it does then.
struct Response {
    /// What happens to the connection when all bytes are sent.
    enum Ending: Equatable {
        /// The next request is read.
        case keepAlive
        /// The connection is closed; what the client still sends is read and dropped for a while first, because a
        /// close with unread bytes would reset the connection and could take the answer with it.
        case close
        /// The connection is reset.
        case reset
    }

    var bytes: [UInt8]
    var ending: Ending
}
