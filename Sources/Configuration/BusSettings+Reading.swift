import BusProtocol
import CoreTypes

extension BusSettings {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly([
            "directory", "workers", "worker_capacity", "drain", "open_requests_max", "open_bytes_max",
            "tenant_limits", "tenants", "kept_terminals_max", "dedup", "lease", "beat", "paid_deliveries_max",
            "deaths_max", "journal", "journal_bytes_max", "orphan",
        ])
        if let value = try reader.member("directory") { directory = try value.path() }
        if let value = try reader.member("workers") { workers = try value.int(in: Self.workersRange) }
        if let value = try reader.member("worker_capacity") {
            workerCapacity = try value.int(in: Self.workerCapacityRange)
        }
        if let value = try reader.member("drain") { drain = try value.duration(in: Self.drainRange) }
        if let value = try reader.member("open_requests_max") {
            openRequestsMax = try value.int(in: Self.openRequestsRange)
        }
        if let value = try reader.member("open_bytes_max") { openBytesMax = try value.int(in: Self.openBytesRange) }
        if let value = try reader.member("tenant_limits") { tenantLimits = try TenantSettings(reading: value) }
        if let value = try reader.member("tenants") { try readTenants(value) }
        if let value = try reader.member("kept_terminals_max") {
            keptTerminalsMax = try value.int(in: Self.keptTerminalsRange)
        }
        if let value = try reader.member("dedup") { dedup = try value.duration(in: Self.dedupRange) }
        if let value = try reader.member("lease") { lease = try value.duration(in: Self.leaseRange) }
        if let value = try reader.member("beat") {
            beat = try value.duration(in: Self.beatRange.lowerBound...min(lease / 3, Self.beatRange.upperBound))
        } else {
            beat = min(beat, max(Self.beatRange.lowerBound, .milliseconds((lease / 3).wholeMilliseconds)))
        }
        if let value = try reader.member("paid_deliveries_max") {
            paidDeliveriesMax = try value.int(in: Self.deliveriesRange)
        }
        if let value = try reader.member("deaths_max") { deathsMax = try value.int(in: Self.deliveriesRange) }
        if let value = try reader.member("journal") {
            if value.isString {
                journal = try value.path()
            } else if try value.bool() == false {
                isJournalled = false
            }
        }
        if let value = try reader.member("journal_bytes_max") {
            journalBytesMax = try value.int(in: Self.journalBytesRange)
        }
        if let value = try reader.member("orphan") { orphan = try value.duration(in: Self.orphanRange) }
    }

    private mutating func readTenants(_ reader: SettingsReader) throws(SettingsError) {
        tenants = [:]
        for (name, value) in try reader.members(max: Self.tenantCountMax) {
            guard let tenant = Tenant(name) else {
                throw value.failure("the tenant's name is wrong; expected uid- and a user's number, such as uid-1000")
            }
            tenants[tenant] = try TenantSettings(reading: value)
        }
    }
}

extension TenantSettings {
    /// Reads limits of one tenant. What is left out is not limited.
    init(reading reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["open_requests_max", "open_bytes_max", "rate", "burst"])
        openRequestsMax = try reader.member("open_requests_max")?.int(in: Self.openRequestsRange)
        openBytesMax = try reader.member("open_bytes_max")?.int(in: Self.openBytesRange)
        let burst = try reader.member("burst")
        if let rate = try reader.member("rate") {
            self.rate = Rate(
                requestsPerSecond: try rate.double(in: Self.rateRange),
                burst: try burst?.int(in: Self.burstRange)
            )
        } else if let burst {
            throw burst.failure("found a burst without a rate; expected a \"rate\" beside it")
        }
    }
}
