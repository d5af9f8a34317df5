import CoreTypes
import JSON

/// Makes the body of a request that a person asks for.
struct AskRequest {
    /// The model to try first; nil as configured.
    var model: String?
    /// The models to fall back to; empty as configured.
    var fallbacks: [String]

    /// A request with `prompt` as its only message.
    func body(prompt: [UInt8]) throws(CommandFailure) -> Bytes {
        guard let text = String(validating: prompt, as: UTF8.self) else {
            throw CommandFailure(.usage, "the prompt is not UTF-8")
        }
        var request = JSONObject()
        addModels(&request)
        request["messages"] = [["role": "user", "content": JSONValue(text)]]
        return Bytes(JSONValue.object(request).serialized())
    }

    /// The request in a file, with the models given put in; without models the file as it is.
    func body(file: [UInt8], name: String) throws(CommandFailure) -> Bytes {
        guard model != nil || !fallbacks.isEmpty else { return Bytes(file) }
        do throws(JSONError) {
            var request = try JSONReader(parsing: file, source: name).object()
            addModels(&request)
            return Bytes(JSONValue.object(request).serialized())
        } catch {
            throw CommandFailure(.usage, error.description)
        }
    }

    private func addModels(_ request: inout JSONObject) {
        if let model { request["model"] = JSONValue(model) }
        if !fallbacks.isEmpty { request["fallback_models"] = .array(fallbacks.map { JSONValue($0) }) }
    }
}
