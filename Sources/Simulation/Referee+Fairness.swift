import BusProtocol
import CoreTypes
import Dispatch

/// What those who share a bus may have of it.
extension Referee {
    /// A request is handed out; it counts as waiting until after this.
    func checkTurn(_ record: RequestRecord) {
        if let broken = turns.turn(of: record) { fail("waiting is bounded", broken) }
    }

    /// Whether the tenant has so much open that it may not have another request with this body.
    func isBeyondLimits(_ tenant: Tenant, _ body: BodyFacts) -> Bool {
        let limits = configuration.tenantOverrides[tenant] ?? configuration.tenantLimits
        var open = 0
        var bytes = body.byteCount
        for record in live where record.isOpen && record.key.tenant == tenant {
            open += 1
            bytes += record.body.byteCount
        }
        return open >= limits.openRequestsMax ?? .max || bytes > limits.openBytesMax ?? .max
    }
}
