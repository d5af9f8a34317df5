/// The page for people: one HTML document without outside resources, which fetches itself anew every second.
enum StatusPage {
    /// Headers beside the content type: nothing is loaded from elsewhere, nothing is kept.
    static let headers = [
        MockHeader(
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
        ),
        MockHeader("cache-control", "no-store"),
    ]

    /// The document.
    static func html(_ view: StatusView) -> [UInt8] {
        var page = head
        page += "<main data-total=\"\(view.total)\">\n"
        page += figures(view)
        page += "<section><h2>Calls per second</h2><svg id=\"rate\" role=\"img\" aria-label=\"calls per second\" "
        page += "viewBox=\"0 0 600 60\" preserveAspectRatio=\"none\"></svg></section>\n"
        page += "<div class=\"pair\">"
        page += counts("Outcomes", "status or fault", view.outcomes, of: view.total, isOutcome: true)
        page += counts("Models", "model", view.models, of: view.total)
        page += "</div>\n"
        page += rules(view.rules)
        page += buckets(view.buckets)
        if view.recorded > 0 {
            let title = "Recorded exchanges played (of \(view.recorded))"
            page += counts(title, "exchange", view.exchanges, of: view.total)
        }
        page += "</main>\n"
        page += foot
        return Array(page.utf8)
    }

    // MARK: Parts

    private static func figures(_ view: StatusView) -> String {
        let figures = [
            ("calls", grouped(view.total)), ("per second", "<span id=\"now\">–</span>"),
            ("waiting for an answer", grouped(view.open)), ("refused by limits", grouped(view.limited)),
            ("left before the answer", grouped(view.aborted)), ("connections", grouped(view.connections)),
            ("up", uptime(view.uptimeSeconds)),
        ]
        let items = figures.map { "<div><dd>\($0.1)</dd><dt>\($0.0)</dt></div>" }
        return "<dl>\(items.joined())</dl>\n"
    }

    private static func counts(
        _ title: String,
        _ column: String,
        _ list: StatusView.List<StatusView.Count>,
        of total: Int,
        isOutcome: Bool = false
    ) -> String {
        guard !list.rows.isEmpty else { return section(title, "<p class=\"none\">None yet.</p>") }
        let rows = list.rows.map { row in
            let share = total > 0 ? min(1, Double(row.calls) / Double(total)) : 0
            let kind = isOutcome ? kind(of: row.name) : "plain"
            let text = "\(Double(Int(share * 1000)) / 10)"
            return "<tr><td>\(escaped(row.name))</td><td class=\"n\">\(grouped(row.calls))</td>"
                + "<td class=\"share\"><i class=\"\(kind)\" style=\"--share:\(share)\"></i><b>\(text) %</b></td></tr>"
        }
        return section(title, table([column, "#calls", "share"], rows, more: list.more))
    }

    private static func rules(_ list: StatusView.List<StatusView.Rule>) -> String {
        guard !list.rows.isEmpty else { return "" }
        let rows = list.rows.map { rule in
            "<tr><td class=\"n\">\(rule.number)</td><td>\(escaped(rule.model))</td>"
                + "<td class=\"n\">\(grouped(rule.calls))</td><td>\(escaped(rule.does))</td>"
                + "<td>\(rule.phase ?? "")</td><td>\(rule.rest)</td></tr>"
        }
        let columns = ["#rule", "model", "#calls", "what happens", "phase", "left of it"]
        return section("Rules of the script", table(columns, rows, more: list.more))
    }

    private static func buckets(_ list: StatusView.List<StatusView.Bucket>) -> String {
        guard !list.rows.isEmpty else { return "" }
        let rows = list.rows.map { bucket in
            "<tr><td>\(escaped(bucket.limit))</td><td>\(escaped(bucket.name))</td>"
                + "<td class=\"n\">\(bucket.requests)</td><td class=\"n\">\(bucket.tokens)</td></tr>"
        }
        let columns = ["limit", "bucket", "#requests left", "#tokens left"]
        return section("Rate limits", table(columns, rows, more: list.more))
    }

    private static func section(_ title: String, _ content: String) -> String {
        "<section><h2>\(title)</h2>\(content)</section>\n"
    }

    /// A table; columns with `#` in front hold numbers.
    private static func table(_ columns: [String], _ rows: [String], more: Int) -> String {
        let heads = columns.map { $0.hasPrefix("#") ? "<th class=\"n\">\($0.dropFirst())</th>" : "<th>\($0)</th>" }
        var text = "<table><thead><tr>\(heads.joined())</tr></thead><tbody>\n\(rows.joined(separator: "\n"))"
        if more > 0 { text += "<tr><td colspan=\"\(columns.count)\">and \(grouped(more)) more</td></tr>" }
        return text + "</tbody></table>"
    }

    // MARK: Words

    private static func kind(of outcome: String) -> String {
        switch outcome.first {
        case "2": "good"
        case "3", "4": "limited"
        case "5": "bad"
        default: "odd"
        }
    }

    private static func uptime(_ seconds: Int64) -> String {
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        if hours > 0 { return "\(hours) h \(minutes) min" }
        return minutes > 0 ? "\(minutes) min \(seconds % 60) s" : "\(seconds) s"
    }

    /// Digits in groups of three with thin spaces between.
    private static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append("\u{202F}") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// Text for HTML: model names come from anyone who can connect. Long names are cut.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.prefix(120) {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.append(character)
            }
        }
        return text.count > 120 ? escaped + "…" : escaped
    }

    private static let head = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark">
        <title>Understudy mock provider</title>
        <noscript><meta http-equiv="refresh" content="2"></noscript>
        <style>
        :root { color-scheme: light dark; --ground: #fbfaf8; --card: #fff; --text: #22201c; --quiet: #6b665e; --line: #e4e0d9;
          --plain: #8fa3c4; --good: #4f9d69; --limited: #d39b2a; --bad: #c8553d; --odd: #8a6bb1; }
        @media (prefers-color-scheme: dark) { :root { --ground: #171614; --card: #201f1c; --text: #eae6df; --quiet: #a09a90;
          --line: #35322d; --plain: #6d84aa; --good: #5fae7b; --limited: #d9a644; --bad: #d96b53; --odd: #a486cb; } }
        * { box-sizing: border-box; margin: 0; }
        body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; padding: 2rem 1rem; }
        header, main, footer { max-width: 64rem; margin: 0 auto; }
        header { display: flex; align-items: baseline; gap: 1rem; margin-bottom: 1rem; }
        h1 { font-size: 1.3rem; } h2 { font-size: .95rem; margin-bottom: .5rem; }
        #lost { color: var(--bad); visibility: hidden; } .lost #lost { visibility: visible; }
        dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .75rem; }
        dl div, section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; }
        dd { font-size: 1.35rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
        dt, th, .none, footer { color: var(--quiet); font-size: .85rem; }
        section { margin-top: .75rem; overflow-x: auto; }
        .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 0 .75rem; }
        svg { display: block; width: 100%; height: 60px; } svg rect { fill: var(--plain); }
        table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: normal; }
        td, th { padding: .2rem .75rem .2rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        thead th { border-top: 0; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        .share { width: 45%; white-space: nowrap; padding-right: 0; }
        .share i { display: inline-block; height: .6rem; width: calc((100% - 4.5rem) * var(--share)); border-radius: 3px; margin-right: .5rem; }
        .share b { font-weight: normal; font-size: .85rem; color: var(--quiet); }
        .plain { background: var(--plain); } .good { background: var(--good); } .limited { background: var(--limited); }
        .bad { background: var(--bad); } .odd { background: var(--odd); }
        footer { margin-top: 1rem; } a { color: inherit; } td a { text-decoration: none; }
        </style>
        </head>
        <body>
        <header><h1>Understudy mock provider</h1><span id="lost" role="status">no answer; trying again</span></header>

        """

    private static let foot = """
        <footer>The same as JSON: <a href="/_mock/counts">/_mock/counts</a>, without request ids
        <a href="/_mock/counts?summary">/_mock/counts?summary</a>, of one id /_mock/counts?id=…
        · POST /_mock/reset forgets all counts.</footer>
        <script>
        const samples = [], width = 120;
        function draw() {
          const main = document.querySelector("main"), total = +main.dataset.total, at = performance.now();
          samples.push({ at, total });
          if (samples.length > width + 1) samples.shift();
          const rates = samples.slice(1).map((s, i) => Math.max(0, s.total - samples[i].total) * 1000 / (s.at - samples[i].at));
          if (!rates.length) return;
          const last = rates[rates.length - 1], high = Math.max(1, ...rates);
          document.getElementById("now").textContent = last < 10 ? last.toFixed(1) : Math.round(last).toLocaleString("en").replaceAll(",", "\\u202f");
          const svg = document.getElementById("rate"), step = 600 / width;
          rates.forEach((rate, i) => {
            const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect"), tall = rate / high * 58;
            bar.setAttribute("x", 600 - (rates.length - i) * step);
            bar.setAttribute("width", step - 1);
            bar.setAttribute("y", 60 - tall);
            bar.setAttribute("height", tall);
            svg.append(bar);
          });
        }
        async function refresh() {
          try {
            const answer = await fetch(location.href, { cache: "no-store" });
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            document.querySelector("main").replaceWith(page.querySelector("main"));
            document.body.classList.remove("lost");
            draw();
          } catch { document.body.classList.add("lost"); }
          setTimeout(refresh, 1000);
        }
        draw();
        setTimeout(refresh, 1000);
        </script>
        </body>
        </html>

        """
}
