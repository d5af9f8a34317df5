import BusProtocol
import Resilience

extension RetryPolicy {
    /// Reads `policy`; the ranges are those of ``RetryPolicy/validate()``, checked here too where the place can be named.
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly([
            "attempts_per_model", "backoff_base", "backoff_factor", "backoff_cap", "jitter", "hint_cap", "timers",
            "classes",
        ])
        if let value = try reader.member("attempts_per_model") { attemptsPerModel = try value.int(in: 1...10) }
        if let value = try reader.member("backoff_base") {
            backoffBase = try value.duration(in: .milliseconds(1) ... .seconds(60))
        }
        if let value = try reader.member("backoff_factor") { backoffFactor = try value.double(in: 1...10) }
        if let value = try reader.member("backoff_cap") {
            backoffCap = try value.duration(in: backoffBase ... .seconds(600))
        }
        if let value = try reader.member("jitter") { jitter = try value.double(in: 0...1) }
        if let value = try reader.member("hint_cap") { hintCap = try value.duration(in: .zero ... .seconds(3600)) }
        if let value = try reader.member("timers") { try timers.read(value) }
        if let value = try reader.member("classes") { try classes.read(value) }
    }
}

extension CallTimers {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["connect", "first_token", "silence", "attempt"])
        let shortest = Duration.milliseconds(1)
        if let value = try reader.member("connect") { connect = try value.duration(in: shortest ... .seconds(600)) }
        if let value = try reader.member("first_token") {
            firstToken = try value.duration(in: shortest ... .seconds(86_400))
        }
        if let value = try reader.member("silence") { silence = try value.duration(in: shortest ... .seconds(86_400)) }
        if let value = try reader.member("attempt") { attempt = try value.duration(in: shortest ... .seconds(86_400)) }
    }
}

extension ClassPolicy {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(FailureClass.allCases.map(\.rawValue))
        for (key, value) in try reader.members(max: FailureClass.allCases.count) {
            guard let failure = FailureClass(rawValue: key) else { continue }
            try value.requireOnly(["same_model", "next_model", "attempts"])
            var rule = self[failure]
            if let word = try value.member("same_model") {
                let words = ClassRule.SameModel.allCases.map(\.rawValue)
                rule.sameModel = ClassRule.SameModel(rawValue: try word.oneOf(words)) ?? rule.sameModel
            }
            if let word = try value.member("next_model") {
                let words = ClassRule.NextModel.allCases.map(\.rawValue)
                rule.nextModel = ClassRule.NextModel(rawValue: try word.oneOf(words)) ?? rule.nextModel
            }
            if let number = try value.member("attempts") { rule.attemptsMax = try number.int(in: 1...10) }
            self[failure] = rule
        }
    }
}
