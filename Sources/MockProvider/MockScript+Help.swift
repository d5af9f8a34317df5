extension MockScript {
    /// A script that shows every key.
    public static let example = """
        {"rules": [
          {"model": "gpt-4o", "ids": ["task-12-*", "task-40"], "behaviour": "status-503"},
          {"model": "gpt-4o", "times": 2, "per": "request",
           "behaviour": {"status": 429, "retry_after": "2", "latency_ms": {"min": 5, "max": 20}}},
          {"model": "claude-*", "percent": 30, "seed": 7, "behaviour": "reset-before", "then": "ok+100"},
          {"model": "gemini-2.5-pro", "flap": {"ok": 5, "failing": 3},
           "behaviour": {"status": 500, "body": "html", "headers": {"server": "nginx"}}},
          {"model": "*", "behaviour": {"play": "ok", "latency_ms": 10}}
        ]}
        """

    /// What a script file holds, for people.
    public static var help: String {
        """
        A script is a JSON object with "rules", a list. Each call goes through the rules in order; the first that
        takes it decides. Calls that no rule takes are played by the model's name.

        \(example)

          model      the model: exact, with or without provider prefix; a prefix ending in "*"; or "*" for all
          ids        request ids, exact or a prefix ending in "*", with or without tenant; absent: all
          times      of these calls only the first so many, counted "per" "request" (the default: calls of the same
                     id to the same model) or "model" (all calls that reach the rule)
          percent    of these calls only a share, drawn by "seed" (0), model, request id and number of the call
          flap       of these calls only "failing" ones behind each "ok" ones; "per" "model" unless told
          behaviour  what happens to them
          then       what happens to the others; without it they go to the next rule

        A behaviour is a word as in model names ("status-503", "silent", "ok+250"; no selectors), or an object with
        "play" and such a word, or with "status" (200 ... 599) and

          body         "real-shaped" (the default), "anthropic", "gemini", "html", "text", "empty", "quota",
                       "context-length", "content-policy", or literal JSON (an object or array)
          headers      an object of strings
          retry_after  text for the header "retry-after"; "http-date:2" for a date in 2 s; or an object with one of
                       ms (retry-after-ms), text ("Please try again in ..." in the message),
                       reset (x-ratelimit-reset-requests), retry_info (in the Gemini body)

        Both objects may have "latency_ms": a number, or an object with "min" and "max".
        """
    }
}
