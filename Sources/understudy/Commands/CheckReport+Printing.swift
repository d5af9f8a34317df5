import Configuration
import JSON
import Resilience

extension CheckReport {
    /// The report for people.
    func text(_ console: Console) -> [String] {
        func mark(_ isGood: Bool) -> String { isGood ? "ok" : "--" }
        var lines: [String] = []
        func section(_ title: String, _ rows: [[String]]) {
            lines.append(console.styled(title, .bold))
            // Coloured after the columns were set, for a colour has a length but no width.
            for row in Console.table(rows) {
                let colored =
                    row.hasPrefix("ok")
                    ? console.styled("ok", .green) + row.dropFirst(2)
                    : row.hasPrefix("--") ? console.styled("--", .yellow) + row.dropFirst(2) : row
                lines.append("  " + colored)
            }
            lines.append("")
        }
        section("Configuration", [[file ?? "built in (no file)"]])
        section("Chain", chain.map { [mark($0.obstacle == nil), $0.model.description, $0.obstacle ?? ""] })
        section(
            "Providers",
            providers.map { provider in
                let (isGood, key) = Self.words(provider.key)
                return [mark(isGood), provider.settings.name, provider.settings.baseURL.text, key]
            }
        )
        section("This machine", places.map { [mark($0.isGood), $0.name, $0.path, $0.isGood ? $0.state : ""] })
        lines += findings(console)
        if problems.isEmpty { lines.append("No problem found.") }
        return lines
    }

    /// Warnings and problems, a line each.
    func findings(_ console: Console) -> [String] {
        warnings.map { console.styled("warning: ", .yellow) + $0 }
            + problems.map { console.styled("problem: ", .red) + $0 }
    }

    /// The report for programs.
    var json: JSONValue {
        [
            "file": file.map { JSONValue($0) } ?? nil,
            "chain": .array(
                chain.map { link in
                    [
                        "model": JSONValue(link.model.description),
                        "callable": JSONValue(link.obstacle == nil),
                        "reason": link.obstacle.map { JSONValue($0) } ?? nil,
                    ]
                }
            ),
            "providers": .array(
                providers.map { provider in
                    [
                        "name": JSONValue(provider.settings.name),
                        "dialect": JSONValue(provider.settings.dialect.rawValue),
                        "base_url": JSONValue(provider.settings.baseURL.text),
                        "has_key": JSONValue(Self.words(provider.key).isGood),
                        "key": JSONValue(Self.words(provider.key).text),
                    ]
                }
            ),
            "places": .array(
                places.map { place in
                    [
                        "name": JSONValue(place.name), "path": JSONValue(place.path), "ok": JSONValue(place.isGood),
                        "state": JSONValue(place.state),
                    ]
                }
            ),
            "problems": .array(problems.map { JSONValue($0) }),
            "warnings": .array(warnings.map { JSONValue($0) }),
        ]
    }

    private static func words(_ key: KeySource.Status) -> (isGood: Bool, text: String) {
        switch key {
        case .present(let label): (true, "key from \(label)")
        case .notNeeded: (true, "no key needed")
        case .missing(let reason): (false, "no key: \(reason)")
        }
    }
}
