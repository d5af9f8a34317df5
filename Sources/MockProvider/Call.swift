/// A chat completions call that was decided, with what is needed to play it after its latency.
struct Call {
    var request: ChatRequest
    var outcome: MockBehaviour.Outcome
    /// What is played when the outcome is a replay.
    var exchange: MockExchange?
    /// What the answer says about the limit of its model.
    var limit: RateLimitAnswer?
    /// Running number, for ids.
    var number: Int
    var isOldHTTP: Bool
    var keepsAlive: Bool
}
