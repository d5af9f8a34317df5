/// A chat completions call that was decided, with what is needed to play it after its latency.
struct Call {
    var request: ChatRequest
    var outcome: MockBehaviour.Outcome
    /// Running number, for ids.
    var number: Int
    var isOldHTTP: Bool
    var keepsAlive: Bool
}
