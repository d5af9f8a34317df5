public import BusProtocol

extension RequestID {
    /// A new id of 128 random bits, as 32 hexadecimal digits.
    public static func random() -> RequestID {
        var generator = SystemRandomNumberGenerator()
        guard let id = RequestID(SessionToken(using: &generator).text) else {
            preconditionFailure("32 hexadecimal digits are no id")
        }
        return id
    }
}
