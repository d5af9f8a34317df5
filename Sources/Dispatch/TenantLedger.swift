import BusProtocol
import CoreTypes

/// What each tenant has open, and whether it may have more.
struct TenantLedger {
    private struct Account {
        var open = 0
        var bytes = 0
        /// Nil without a limit of the rate.
        var bucket: TokenBucket?

        func isIdle(now: Moment) -> Bool { open == 0 && bucket.map { $0.isFull(now: now) } ?? true }
    }

    private let limits: TenantLimits
    private let overrides: [Tenant: TenantLimits]
    private let busyRetryAfter: Duration
    private var accounts: [Tenant: Account] = [:]
    /// Accounts beyond which idle ones are closed; twice what was left the last time.
    private var sweepAt = 1024
    /// Tenants with open requests.
    private(set) var activeCount = 0

    init(_ configuration: DispatchConfiguration) {
        limits = configuration.tenantLimits
        overrides = configuration.tenantOverrides
        busyRetryAfter = configuration.busyRetryAfter
    }

    /// Tenants remembered, idle ones included.
    var count: Int { accounts.count }

    /// Books a new request, or tells why the tenant may not have it now; then nothing is booked and no token is taken.
    mutating func admit(_ tenant: Tenant, bytes: Int, now: Moment) -> BusError? {
        let limits = limits(of: tenant)
        let index = account(of: tenant, limits, now: now)
        if let refusal = refusal(tenant, accounts.values[index], limits, bytes: bytes, now: now) { return refusal }
        accounts.values[index].bucket?.take(now: now)
        book(bytes, at: index)
        return nil
    }

    /// Books a request that was accepted before this broker's start, whatever the limits say.
    mutating func restore(_ tenant: Tenant, bytes: Int, now: Moment) {
        book(bytes, at: account(of: tenant, limits(of: tenant), now: now))
    }

    /// Takes a request off the books: it has its terminal, or was taken back before it had one.
    mutating func release(_ tenant: Tenant, bytes: Int) {
        guard let index = accounts.index(forKey: tenant), accounts.values[index].open > 0 else {
            preconditionFailure("\(tenant) has no open request")
        }
        accounts.values[index].open -= 1
        accounts.values[index].bytes -= bytes
        if accounts.values[index].open == 0 { activeCount -= 1 }
    }

    private func limits(of tenant: Tenant) -> TenantLimits {
        overrides.isEmpty ? limits : overrides[tenant] ?? limits
    }

    private mutating func book(_ bytes: Int, at index: Dictionary<Tenant, Account>.Index) {
        if accounts.values[index].open == 0 { activeCount += 1 }
        accounts.values[index].open += 1
        accounts.values[index].bytes += bytes
    }

    private mutating func account(
        of tenant: Tenant,
        _ limits: TenantLimits,
        now: Moment
    ) -> Dictionary<Tenant, Account>.Index {
        if let index = accounts.index(forKey: tenant) { return index }
        if accounts.count >= sweepAt {
            accounts = accounts.filter { !$0.value.isIdle(now: now) }
            sweepAt = max(1024, 2 * accounts.count)
        }
        accounts[tenant] = Account(bucket: limits.rate.map { TokenBucket($0, now: now) })
        guard let index = accounts.index(forKey: tenant) else { preconditionFailure("an account vanished") }
        return index
    }

    private func refusal(
        _ tenant: Tenant,
        _ account: Account,
        _ limits: TenantLimits,
        bytes: Int,
        now: Moment
    ) -> BusError? {
        if let most = limits.openRequestsMax, account.open >= most {
            return BusError(
                .tenantLimit,
                "\(tenant) has \(account.open) open requests, the most this broker takes of it is \(most)",
                retryAfter: busyRetryAfter
            )
        }
        if let most = limits.openBytesMax, account.bytes + bytes > most {
            return BusError(
                .tenantLimit,
                "open requests of \(tenant) hold \(account.bytes) bytes of \(most), this one has \(bytes)",
                retryAfter: busyRetryAfter
            )
        }
        if let rate = limits.rate, let wait = account.bucket?.wait(now: now), wait > .zero {
            // Rounded up, so that whoever comes back then is let in.
            let milliseconds = (wait + .nanoseconds(999_999)).wholeMilliseconds
            return BusError(
                .tenantLimit,
                "\(tenant) asks more often than \(rate.requestsPerSecond) times a second with a burst of \(rate.burst)",
                retryAfter: .milliseconds(milliseconds)
            )
        }
        return nil
    }
}
