import CoreTypes
import Dialects

/// Bodies as the worker reads them.
enum ChatRequestFixture {
    static func request(_ body: String) throws -> ChatRequest { try ChatRequest(Bytes(body)) }
}
