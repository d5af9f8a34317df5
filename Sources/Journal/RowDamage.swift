import BusProtocol
import CoreTypes
import SQLite

/// A row that SQLite gives and that cannot be what the journal wrote: in words, with the job's number.
struct RowDamage: Error {
    let words: String

    init(_ words: String) { self.words = words }
}

/// Values that rows of several tables have, each in range for all that the broker reckons with it.
extension Statement {
    /// The number of a job, which is the first column; the broker counts on from the greatest, within 53 bits.
    func jobNumber() throws(RowDamage) -> JobNumber {
        let number = integer(0)
        guard (1..<1 << 53).contains(number) else { throw RowDamage("\(number) is no number of a job") }
        return JobNumber(UInt64(number))
    }

    /// A time in milliseconds of which sums and differences stay far from the ends of the type.
    func time(_ column: Int, of number: JobNumber) throws(RowDamage) -> Int64 {
        let time = integer(column)
        guard (-Limits.millisecondsMax...Limits.millisecondsMax).contains(time) else {
            throw RowDamage("a time of job \(number) is out of range")
        }
        return time
    }

    /// A count of deliveries, attempts or deaths, to which the broker adds; far above any that it allows. Nil out of range.
    func count(_ column: Int) -> UInt32? {
        let count = integer(column)
        return (0..<1 << 24).contains(count) ? UInt32(count) : nil
    }

    /// Tenant and id, which are the second and third column.
    func key(of number: JobNumber) throws(RowDamage) -> RequestKey {
        guard let user = UInt32(exactly: integer(1)), let id = RequestID(text(2)) else {
            throw RowDamage("tenant and id of job \(number) cannot be read")
        }
        return RequestKey(tenant: .user(user), id: id)
    }

    /// The body hash, which is the fourth column.
    func hash(of number: JobNumber) throws(RowDamage) -> BodyHash {
        let bytes = bytes(3)
        guard bytes.count == 32 else { throw RowDamage("the body hash of job \(number) cannot be read") }
        func word(_ index: Int) -> UInt64 { bytes[8 * index..<8 * index + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        return BodyHash(word(0), word(1), word(2), word(3))
    }
}
