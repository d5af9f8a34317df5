/// F1: what a message is. The raw value is the ASCII text on the wire.
public enum Verb: String, Sendable, Hashable, CaseIterable {
    case hello = "HELLO"
    case request = "REQUEST"
    case cancel = "CANCEL"
    case get = "GET"
    case acknowledge = "ACK"
    case task = "TASK"
    case ping = "PING"
    case bye = "BYE"

    case welcome = "WELCOME"
    case accepted = "ACCEPTED"
    case rejected = "REJECTED"
    case chunk = "CHUNK"
    case reply = "REPLY"
    case failure = "FAILURE"
    case state = "STATE"
    case ok = "OK"
    case pong = "PONG"
    case error = "ERROR"

    case ready = "READY"
    case credit = "CREDIT"
    case start = "START"
    case returned = "RETURN"
    case beat = "BEAT"
    case event = "EVENT"

    case job = "JOB"
    case go = "GO"
    case noGo = "NOGO"

    /// Reserved: answered 501 until it is specified.
    case health = "HEALTH"
}
