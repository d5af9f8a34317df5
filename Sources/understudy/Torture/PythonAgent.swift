/// The same agent in Python, over the bare protocol: an implementation that shares no line with the Swift one.
enum PythonAgent {
    /// The program: directory, log, seed, and "finish" to begin nothing new. Ends after SIGTERM, when nothing is open.
    static let source = #"""
        import json, os, random, signal, sys, time
        import zmq

        directory, path, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
        LANES = 8
        RESEND = 1.0


        def digest(*parts):
            value = 0xCBF29CE484222325
            for part in parts:
                for byte in part:
                    value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
            return format(value, "x")


        class Work:
            def __init__(self, id, model, size, durability, on_loss):
                self.id, self.model, self.size, self.durability, self.on_loss = id, model, int(size), durability, on_loss
                self.accepted = self.ended = False
                self.reads = 1
                self.sent = 0.0

            def body(self):
                fallbacks = '["mock/ok"]' if self.model == "mock/reset" else "[]"
                text = "x" * self.size
                return (
                    '{"model":"%s","fallback_models":%s,"messages":[{"role":"user","content":"%s"}]}'
                    % (self.model, fallbacks, text)
                ).encode()

            def header(self):
                return json.dumps(
                    {"deadline_ms": 120000, "durability": self.durability, "on_loss": self.on_loss, "task": self.id}
                ).encode()


        def unfinished():
            works, over = {}, set()
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    for line in file:
                        words = line.split()
                        if not line.endswith("\n") or len(words) < 2:
                            continue
                        if words[0] == "request" and len(words) == 6:
                            works.setdefault(words[1], Work(*words[1:]))
                        elif words[1] in works:
                            if words[0] in ("acknowledged", "absent", "rejected"):
                                over.add(words[1])
                            elif words[0] in ("accepted", "terminal"):
                                works[words[1]].accepted = True
            except FileNotFoundError:
                pass
            return {id: work for id, work in works.items() if id not in over}


        open_works = unfinished()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(log, b"\n")
        life = int.from_bytes(os.urandom(6), "big")
        chance = random.Random(seed ^ life)
        prefix = "%s.%d.%x" % (os.path.basename(path), os.getpid(), life)
        made = 0
        stopping = sys.argv[4:] == ["finish"]


        def note(*words):
            os.write(log, (" ".join(map(str, words)) + "\n").encode())


        def stop(*_):
            global stopping
            stopping = True


        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


        def new_work():
            global made
            made += 1
            lot = chance.randrange(100)
            if lot < 60:
                model = "mock/ok+%d" % chance.randint(5, 300)
            elif lot < 75:
                model = "mock/ok+%d" % chance.randint(500, 2500)
            elif lot < 85:
                model = "mock/fail-first-2"
            elif lot < 92:
                model = "mock/status-503"
            elif lot < 97:
                model = "mock/reset"
            else:
                model = "mock/status-400"
            work = Work(
                "%s.%d" % (prefix, made),
                model,
                chance.randint(10, 500) if chance.randrange(20) else chance.randint(10000, 100000),
                "disk" if chance.randrange(100) < 90 else "memory",
                "retry" if chance.randrange(100) < 80 else "fail",
            )
            work.reads = 2 if chance.randrange(4) == 0 else 1
            note("request", work.id, work.model, work.size, work.durability, work.on_loss)
            return work


        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.immediate = 1
        socket.reconnect_ivl = 20
        socket.reconnect_ivl_max = 200
        socket.connect("ipc://%s/agents.sock" % directory)


        def send(work):
            work.sent = time.monotonic()
            if work.ended:
                frames = [b"ACK", work.id.encode(), b""]
            elif work.accepted:
                frames = [b"GET", work.id.encode(), b""]
            else:
                frames = [b"REQUEST", work.id.encode(), work.header(), work.body()]
            try:
                socket.send_multipart([b"UBP/1"] + frames, zmq.DONTWAIT)
            except zmq.Again:
                pass


        def receive(frames):
            version, verb, id, header, *body = frames
            work = open_works.get(id.decode())
            if work is None:
                return
            fields = json.loads(header or b"{}")
            if verb == b"ACCEPTED":
                work.accepted = True
                note("accepted", work.id, fields["durability"], "again" if fields["duplicate"] else "first")
            elif verb in (b"REPLY", b"FAILURE"):
                if work.ended:
                    return
                outcome = "reply" if verb == b"REPLY" else fields["symbol"]
                meta = fields.get("meta") or {}
                note(
                    "terminal",
                    work.id,
                    outcome,
                    digest(header, b"".join(body)),
                    meta.get("total_attempts", 0),
                    meta.get("deliveries", 0),
                )
                work.accepted = True
                work.reads -= 1
                work.ended = work.reads <= 0
                send(work)
            elif verb == b"OK" and work.ended:
                note("acknowledged", work.id)
                del open_works[work.id]
            elif verb == b"REJECTED":
                work.sent = time.monotonic()
            elif verb == b"ERROR" and fields.get("code") in (404, 410):
                note("absent", work.id, fields["code"])
                del open_works[work.id]
            elif verb == b"ERROR":
                raise SystemExit("%s: %s" % (work.id, fields))


        last_ping = 0.0
        while open_works or not stopping:
            while not stopping and len(open_works) < LANES:
                work = new_work()
                open_works[work.id] = work
            now = time.monotonic()
            for work in list(open_works.values()):
                if work.sent == 0.0 or now - work.sent > RESEND:
                    send(work)
            if socket.poll(50):
                for _ in range(100):
                    try:
                        receive(socket.recv_multipart(zmq.DONTWAIT))
                    except zmq.Again:
                        break
        """#
}
