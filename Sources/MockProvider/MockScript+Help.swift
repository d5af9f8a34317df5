extension MockScript {
    /// A script that shows every key.
    public static let example = """
        {"seed": 7,
         "limits": [
          {"model": "gpt-4o*", "requests_per_minute": 500, "tokens_per_minute": 30000},
          {"model": "claude-*", "requests_per_minute": 50, "requests_burst": 5,
           "per": "key", "style": "anthropic"}],
         "rules": [
          {"model": "gpt-4o", "ids": ["task-12-*", "task-40"], "behaviour": "status-503"},
          {"model": "gpt-4o", "times": 2, "per": "request",
           "behaviour": {"status": 429, "retry_after": "2", "latency_ms": {"min": 5, "max": 20}}},
          {"model": "claude-*", "percent": 30, "behaviour": "reset-before", "then": "ok+100"},
          {"model": "gemini-2.5-pro", "repeat": true, "phases": [
            {"calls": 100, "behaviour": "ok"},
            {"seconds": 30, "behaviour": {"status": 503, "body": "gemini"}},
            {"seconds": 60, "flap": {"ok": 5, "failing": 3},
             "behaviour": {"status": 500, "body": "html", "headers": {"server": "nginx"}}}]},
          {"model": "*", "behaviour": {"play": "ok", "latency_ms": {"median": 800, "p99": 6000}}}
        ]}
        """

    /// The form of scripts in short, for people; at most 78 columns.
    public static let summary = """
        A script is a JSON object: "limits" (rate limits by model) and "rules"; the
        first rule that takes a call decides it (all keys: --script-help):

          {"limits": [{"model": "gpt-*", "requests_per_minute": 60,
                       "tokens_per_minute": 9000, "style": "openai"}],
           "rules": [
             {"model": "a", "ids": ["task-1-*"], "behaviour": "status-503"},
             {"model": "b", "times": 2, "behaviour": "reset-before"},
             {"model": "c", "percent": 30, "behaviour": "silent", "then": "ok"},
             {"model": "d", "flap": {"ok": 5, "failing": 3},
              "behaviour": {"status": 429, "retry_after": "2"}},
             {"model": "e", "repeat": true, "phases": [
                {"calls": 100, "behaviour": "ok"},
                {"seconds": 30, "behaviour": "status-503"}]},
             {"model": "f", "behaviour": {"replay": "openai/error/*"}},
             {"model": "*", "behaviour": {"play": "ok",
              "latency_ms": {"median": 800, "p99": 6000}}}]}
        """

    /// What a script file holds, for people.
    public static var help: String {
        """
        A script is a JSON object with "rules", "limits", or both. Each call goes first to the limits, then through the
        rules in order; the first that takes it decides. Calls that no rule takes are answered by the recording
        (--replay) if it has an answer, else played by the model's name.

        \(example)

        A rule has "model", perhaps "ids", and what happens to the calls:

          model      the model: exact, with or without provider prefix; a prefix ending in "*"; or "*" for all
          ids        request ids, exact or a prefix ending in "*", with or without tenant; absent: all
          times      of these calls only the first so many, counted "per" "request" (the default: calls of the same
                     id to the same model) or "model" (all calls that reach the rule, or its phase)
          percent    of these calls only a share, drawn by "seed", model, request id and number of the call
          flap       of these calls only "failing" ones behind each "ok" ones; "per" "model" unless told
          behaviour  what happens to them
          then       what happens to the others; without it they go to the next rule

        Instead of the last five it may have "phases", a list of objects with these five and the phase's end:

          calls      after so many calls that reached it
          seconds    after that time, 0.001 ... 2592000; the first phase begins with the rule's first call. With both
                     the earlier counts. Only the last phase may have neither, and not when the rule repeats
          repeat     beside "phases": true begins anew after the last one; else the calls go to the next rule then

        A behaviour is a word as in model names ("status-503", "silent", "ok+250"; no selectors), or an object with
        "play" and such a word, with "replay" and names of recorded exchanges (exact or a prefix ending in "*"; they
        take turns), or with "status" (200 ... 599) and

          body         "real-shaped" (the default), "anthropic", "gemini", "html", "text", "empty", "quota",
                       "context-length", "content-policy", or literal JSON (an object or array)
          headers      an object of strings
          retry_after  text for the header "retry-after"; "http-date:2" for a date in 2 s; or an object with one of
                       ms (retry-after-ms), text ("Please try again in ..." in the message),
                       reset (x-ratelimit-reset-requests), retry_info (in the Gemini body)

        All three may have "latency_ms": a number, or an object with

          min, max           evenly between them
          mean               exponential; min and max are bounds then
          median, p99        lognormal, one of 100 above p99; or "sigma" in place of "p99"; min and max are bounds
          seed               a number that selects the sequence, else the script's "seed" (0)

        The same calls wait the same in every run: a draw belongs to seed, model, request id and number of the call.

        A limit has buckets that refill evenly, as the providers' do. The first limit for a call's model holds:

          model                as in rules
          requests_per_minute  and requests_burst, what can be saved up (a minute's worth)
          tokens_per_minute    and tokens_burst; a call asks for a quarter of its bytes, or max_tokens if more
          per                  whose bucket: each "model" (the default), each "key" and model, or the "limit" as a whole
          style                headers and 429 as of "openai" (the default), "anthropic" or "gemini"
        """
    }
}

extension MockRecording {
    /// What a recording holds, for people.
    public static let help = """
        A recording is a JSON file, or a directory with such files ending in ".json" in it and its folders. A file
        holds one exchange, or a list of them; others than "request" and "response" are notes and not read:

        {"request": {"method": "POST", "url": "https://api.openai.com/v1/chat/completions",
                     "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}},
         "response": {"status": 429, "headers": {"retry-after": "7"}, "latency_ms": 120,
                      "body": {"error": {"message": "Rate limit reached", "type": "requests"}}}}

          request   absent or with a null body when it is not known; the url ends in /chat/completions, /messages,
                    :generateContent or :streamGenerateContent
          body      of the response: JSON, or a string for the text of a stream or page, or null
          headers   of the response; length, encoding, connection and date are not replayed

        An exchange is called by the path of its file without ".json", as in openai/error/429. It answers calls
        whose model has that name (or its last part), else calls with the same service and body, else calls with
        the same service, model and "stream". Where several do, they take turns.
        """
}
