"""The folder protocol/ agrees with itself: schemas, error registry, vectors.

The decoder here was written from protocol/frames.md, agents.md and workers.md and knows nothing of the Swift code: what
the specification says is enough to tell every good vector from every refused one. Needs no bus.
"""

import json
import os
import re
import struct
import unittest

import jsonschema

from schemas import PROTOCOL, SCHEMAS, load, properties, validator


class Refused(Exception):
    """What a broker answers ERROR for."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


# Verb: what F2 is, fewest and most body frames, whether the receiver reads the header.
AGENT = {
    "HELLO": ("empty", 0, 0, True),
    "REQUEST": ("own", 1, 8, True),
    "CANCEL": ("own", 0, 0, True),
    "GET": ("request", 0, 0, True),
    "ACK": ("own", 0, 0, True),
    "TASK": ("own", 0, 0, True),
    "PING": ("any", 0, 0, True),
    "BYE": ("empty", 0, 0, True),
}
TO_AGENT = {
    "WELCOME": ("any", 0, 8, True),
    "ACCEPTED": ("request", 0, 8, True),
    "REJECTED": ("request", 0, 8, True),
    "CHUNK": ("request", 0, 8, True),
    "REPLY": ("request", 1, 8, False),
    "FAILURE": ("request", 0, 8, False),
    "STATE": ("request", 0, 8, True),
    "OK": ("any", 0, 8, False),
    "PONG": ("any", 0, 8, False),
    "ERROR": ("any", 0, 8, True),
}
WORKER = {
    "READY": ("empty", 0, 1, True),
    "CREDIT": ("empty", 0, 0, True),
    "START": ("attempt", 0, 0, False),
    "CHUNK": ("attempt", 0, 8, False),
    "REPLY": ("key", 2, 8, False),
    "FAILURE": ("key", 1, 8, False),
    "RETURN": ("key", 0, 0, True),
    "BEAT": ("empty", 0, 0, True),
    "EVENT": ("class", 0, 0, False),
    "BYE": ("empty", 0, 0, False),
}
TO_WORKER = {
    "WELCOME": ("any", 0, 8, True),
    "JOB": ("key", 1, 8, True),
    "GO": ("attempt", 0, 8, True),
    "NOGO": ("attempt", 0, 8, True),
    "CANCEL": ("key", 0, 8, True),
    "ACK": ("key", 0, 8, False),
    "BEAT": ("any", 0, 8, True),
    "ERROR": ("any", 0, 8, True),
}
ROLES = {
    "agent->broker": ("agent", AGENT),
    "broker->agent": ("to-agent", TO_AGENT),
    "worker->broker": ("worker", WORKER),
    "broker->worker": ("to-worker", TO_WORKER),
}
VERBS = {verb for _, verbs in ROLES.values() for verb in verbs}
CLASSES = {b"request", b"attempt", b"worker", b"task", b"snapshot"}
ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
TENANT = re.compile(r"uid-(0|[1-9][0-9]{0,9})\Z")


def frame(entry):
    if isinstance(entry, str):
        return bytes.fromhex(entry)
    return bytes.fromhex(entry["hex"]) * entry["times"]


def envelope(frames):
    """Frames before F0."""
    size = 0
    for index, part in enumerate(frames[:8]):
        if not part:
            return frames[: index + 1]
        if len(part) >= 5 and part.startswith(b"UBP/"):
            if index == 0:
                return []
            raise Refused(400, "a version before the empty frame")
        size += len(part)
        if size > 1024:
            raise Refused(413, "a long envelope")
    raise Refused(400, "no empty frame")


def depth(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def parse(text):
    """A header as JSON, read strictly."""

    def once(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise Refused(400, "a key twice")
        return dict(pairs)

    def constant(name):
        raise Refused(400, name)

    if text == b"":
        return {}
    try:
        value = json.loads(text.decode(), object_pairs_hook=once, parse_constant=constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeError, json.JSONDecodeError) as error:
        raise Refused(400, error) from error
    if not isinstance(value, dict) or depth(value) > 32:
        raise Refused(400, "no object, or too deep")
    return value


def check_id(kind, id):
    if kind == "empty" and id:
        raise Refused(400, "an id where there is none")
    if kind in ("own", "request") and not ID.match(id):
        raise Refused(400, "no id")
    if kind == "own" and id.startswith(b"sys."):
        raise Refused(400, "an id of the broker")
    if kind == "class" and id not in CLASSES:
        raise Refused(400, "no event class")
    if kind in ("key", "attempt"):
        if len(id) != 16 or id[8:12] == bytes(4) or kind == "attempt" and id[12:] == bytes(4):
            raise Refused(400, "no delivery key")


def check_body(direction, verb, id, body):
    if verb == "READY" and body:
        states = body[0][16::49]
        deliveries = [body[0][start + 8 : start + 12] for start in range(0, len(body[0]), 49)]
        if len(body[0]) % 49 or max(states, default=0) > 2 or bytes(4) in deliveries:
            raise Refused(400, "no list of what is held")
    if direction == "broker->worker" and verb == "WELCOME" and any(len(part) % 16 for part in body[:2]):
        raise Refused(400, "no list of keys")
    if direction == "broker->agent" and verb == "STATE" and id.startswith(b"sys.") and not body:
        raise Refused(400, "no document")


def decode(direction, frames):
    """Frames to (verb, header); raises Refused. In the order of frames.md, "What is wrong with a message"."""
    if direction == "telemetry":
        return decode_event(frames)
    rest = frames[len(envelope(frames)) :] if direction == "agent->broker" else frames
    role, verbs = ROLES[direction]
    if not rest or not (rest[0].startswith(b"UBP/") and len(rest[0]) >= 5):
        raise Refused(400, "no version")
    if rest[0] != b"UBP/1":
        raise Refused(505, "another version")
    if len(rest) < 4:
        raise Refused(400, "too few frames")
    if len(rest) > 12:
        raise Refused(413, "too many frames")
    _, verb, id, text, *body = rest
    verb = verb.decode("latin-1")
    if verb not in VERBS:
        raise Refused(501, "an unknown verb")
    if len(id) > 128:
        raise Refused(400, "a long id")
    if len(text) > 65536 or sum(map(len, body)) > 8388608:
        raise Refused(413, "too large")
    if verb not in verbs:
        raise Refused(405, "a verb of another role")
    kind, fewest, most, reads = verbs[verb]
    if not fewest <= len(body) <= most:
        raise Refused(400, "a wrong number of body frames")
    check_id(kind, id)
    reference = f"headers.schema.json#/$defs/{role}.{verb}"
    header = parse(text) if reads else None
    if reads:
        must = header.get("must")
        if must is not None:
            if not isinstance(must, list) or not all(isinstance(name, str) for name in must):
                raise Refused(400, "must is no list")
            if not set(must) <= properties(reference):
                raise Refused(501, "must names something unknown")
        for error in validator(reference).iter_errors(header):
            raise Refused(400, error.message)
        if direction == "broker->agent" and verb == "STATE":
            if (header["state"] == "sys") != id.startswith(b"sys."):
                raise Refused(400, "a state that does not fit the id")
    check_body(direction, verb, id, body)
    return verb, header


def decode_event(frames):
    if len(frames) != 5:
        raise Refused(400, "not five frames")
    topic, version, epoch, seq, text = frames
    if version != b"UBP/1":
        raise Refused(505 if version.startswith(b"UBP/") and len(version) >= 5 else 400, "another version")
    parts = topic.decode("latin-1").split(".")
    if len(parts) != 4 or parts[0] != "evt" or parts[3] or not (parts[2] == "-" or tenant(parts[2])):
        raise Refused(400, "no topic")
    if parts[1].encode() not in CLASSES:
        raise Refused(501, "an unknown class")
    if len(epoch) != 8 or len(seq) != 8:
        raise Refused(400, "no number")
    return parts[1], json.loads(text)


def tenant(text):
    return TENANT.match(text) and int(text[4:]) < 1 << 32


class Schemas(unittest.TestCase):
    def test_each_is_a_schema(self):
        for name, schema in SCHEMAS.items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)
                self.assertEqual(schema["$id"], name)

    def test_registry_and_vectors_have_their_form(self):
        for name in ("errors", "vectors"):
            for error in validator(f"{name}.schema.json").iter_errors(load(f"{name}.json")):
                self.fail(f"{name}.json: {error.json_path}: {error.message}")

    def test_every_verb_has_a_schema(self):
        for role, verbs in ROLES.values():
            for verb in verbs:
                self.assertIn(f"{role}.{verb}", SCHEMAS["headers.schema.json"]["$defs"])

    def test_what_has_a_default_takes_it(self):
        def walk(schema):
            if isinstance(schema, dict):
                if "default" in schema:
                    jsonschema.Draft202012Validator(schema).validate(schema["default"])
                for part in schema.values():
                    walk(part)

        walk(SCHEMAS["headers.schema.json"])


class Registry(unittest.TestCase):
    def test_numbers_and_symbols_are_used_once(self):
        errors = load("errors.json")["errors"]
        for key in ("code", "symbol"):
            values = [error[key] for error in errors]
            self.assertEqual(len(values), len(set(values)))

    def test_every_code_is_explained(self):
        with open(os.path.join(PROTOCOL, "errors.md"), encoding="utf-8") as file:
            text = file.read()
        for error in load("errors.json")["errors"]:
            if error["code"] < 600:
                self.assertRegex(text, rf"\| {error['code']} \| `{error['symbol']}` \|")


class Vectors(unittest.TestCase):
    def setUp(self):
        self.file = load("vectors.json")

    def test_names_are_used_once(self):
        for key in ("vectors", "refused"):
            names = [(vector["direction"], vector["name"]) for vector in self.file[key]]
            self.assertEqual(len(names), len(set(names)))

    def test_good_ones_are_read(self):
        for vector in self.file["vectors"]:
            with self.subTest(vector["name"]):
                decode(vector["direction"], [frame(entry) for entry in vector["frames"]])

    def test_headers_and_events_fit_their_schemas(self):
        for vector in self.file["vectors"]:
            with self.subTest(vector["name"]):
                frames = [frame(entry) for entry in vector["frames"]]
                direction = vector["direction"]
                if direction == "telemetry":
                    validator("events.schema.json").validate(json.loads(frames[4]))
                    continue
                rest = frames[len(envelope(frames)) :] if direction == "agent->broker" else frames
                role, verb = ROLES[direction][0], rest[1].decode()
                validator(f"headers.schema.json#/$defs/{role}.{verb}").validate(parse(rest[3]))
                if direction == "worker->broker" and verb in ("REPLY", "FAILURE"):
                    self.assertIsInstance(json.loads(rest[4]), dict)
                if direction == "broker->agent" and verb == "STATE" and rest[2].startswith(b"sys."):
                    validator(f"documents.schema.json#/$defs/{rest[2].decode()}").validate(json.loads(rest[4]))

    def test_refused_ones_are_refused_with_their_code(self):
        for vector in self.file["refused"]:
            with self.subTest(vector["name"]):
                frames = [frame(entry) for entry in vector["frames"]]
                with self.assertRaises(Refused) as caught:
                    decode(vector["direction"], frames)
                self.assertEqual(caught.exception.code, vector["error"]["code"], caught.exception)
                if vector["direction"].endswith("->broker"):
                    self.check_answer(vector, frames)

    def check_answer(self, vector, frames):
        try:
            route = envelope(frames) if vector["direction"] == "agent->broker" else []
            rest = frames[len(route) :]
        except Refused:
            route, rest = [], []
        known = len(rest) >= 3 and rest[0].startswith(b"UBP/") and len(rest[0]) >= 5 and len(rest[2]) <= 128
        self.assertEqual([part.hex() for part in route], vector["answer"]["envelope"])
        self.assertEqual((rest[2] if known else b"").hex(), vector["answer"]["id"])

    def test_every_verb_is_there_good_and_refused(self):
        # The headers of these are not read, and their ids may be anything.
        free = {("broker->agent", "OK"), ("broker->agent", "PONG")}
        good, bad = set(), set()
        for key, found in (("vectors", good), ("refused", bad)):
            for vector in self.file[key]:
                frames = [frame(entry) for entry in vector["frames"]]
                for part in frames:
                    if part.decode("latin-1") in VERBS:
                        found.add((vector["direction"], part.decode("latin-1")))
        for direction, (_, verbs) in ROLES.items():
            for verb in verbs:
                self.assertIn((direction, verb), good)
                if (direction, verb) not in free:
                    self.assertIn((direction, verb), bad)

    def test_every_event_is_there(self):
        events = {
            json.loads(frame(vector["frames"][4]))["event"]
            for vector in self.file["vectors"]
            if vector["direction"] == "telemetry"
        }
        known = set(SCHEMAS["events.schema.json"]["$defs"]) - {"call"}
        self.assertEqual(known - events, set())


def key(text):
    job, delivery, attempt = map(int, text.split("/"))
    return struct.pack(">QII", job, delivery, attempt)


def keys(text):
    """`keep 7/1/1, 8/1/0` as a frame of keys."""
    return b"".join(key(part) for part in re.findall(r"\d+/\d+/\d+", text))


def held(text):
    """`held 7/1/1 calling, 8/1/0 waiting` as a frame of READY."""
    states = ["waiting", "calling", "finished"]
    parts = re.findall(r"(\d+/\d+/\d+) (\w+)", text)
    return b"".join(key(part) + bytes([states.index(state)]) + bytes(32) for part, state in parts)


class Transcripts(unittest.TestCase):
    LINE = re.compile(r"(A|B|W2?)→(A|B|W2?|O) (?:∅ )?(?:!(\d+) )?(\S+) \| (.*)")

    def messages(self):
        with open(os.path.join(PROTOCOL, "transcripts.md"), encoding="utf-8") as file:
            blocks = file.read().split("```")[1::2]
        for line in "".join(blocks).splitlines():
            if line and not line.startswith("#"):
                yield line

    def direction(self, sender, receiver):
        names = {"A": "agent", "B": "broker", "W": "worker", "W2": "worker"}
        return f"{names[sender]}->{names[receiver]}"

    def frames(self, direction, verb, rest):
        id, header, *body = rest.split(" | ")
        id = b"" if id == "-" else key(id) if re.fullmatch(r"\d+/\d+/\d+", id) else id.encode()
        if verb == "READY":
            body = [held(part) for part in body]
        elif (direction, verb) == ("broker->worker", "WELCOME"):
            body = [keys(part) for part in body]
        else:
            body = [part.encode() for part in body]
        return [b"UBP/1", verb.encode(), id, b"" if header == "-" else header.encode(), *body]

    def test_every_message_is_as_the_specification_says(self):
        count = 0
        for line in self.messages():
            with self.subTest(line):
                sender, receiver, code, verb, rest = self.LINE.fullmatch(line).groups()
                count += 1
                if receiver == "O":
                    seq, event = rest.split(" | ")
                    number = int(seq).to_bytes(8, "big")
                    decode("telemetry", [verb.encode(), b"UBP/1", number, number, event.encode()])
                    validator("events.schema.json").validate(json.loads(event))
                    continue
                direction = self.direction(sender, receiver)
                frames = self.frames(direction, verb, rest)
                if code:
                    with self.assertRaises(Refused) as caught:
                        decode(direction, frames)
                    self.assertEqual(caught.exception.code, int(code))
                    continue
                decode(direction, frames)
                reference = f"headers.schema.json#/$defs/{ROLES[direction][0]}.{verb}"
                validator(reference).validate(parse(frames[3]))
        self.assertGreater(count, 150)

    def test_call_records_are_those_of_the_calls(self):
        """F4 of a worker's terminal: the model of the last START if it answered, else what failed and no model."""
        started, count = {}, 0
        for line in self.messages():
            with self.subTest(line):
                sender, receiver, _, verb, rest = self.LINE.fullmatch(line).groups()
                if receiver != "B" or sender == "A" or verb not in ("START", "REPLY", "FAILURE"):
                    continue
                id, header, *body = rest.split(" | ")
                header, delivery = json.loads(header), (sender, *id.split("/")[:2])
                if verb == "START":
                    started[delivery] = f"{header['provider']}/{header['model']}"
                    continue
                count += 1
                record = json.loads(body[0].replace(",…}", "}"))
                self.assertLessEqual(set(record), properties("events.schema.json#/$defs/call"))
                if verb == "FAILURE":
                    self.assertEqual(record, {"error.type": header["class"], "resolved_model": None})
                    self.assertIsNone((header["meta"] or {}).get("resolved_model"))
                else:
                    # Where the exchange begins later than its START, the model is that of most of the page.
                    self.assertEqual(record, {"resolved_model": started.get(delivery, "openai/gpt-4.1")})
                    self.assertEqual((header["meta"] or record)["resolved_model"], record["resolved_model"])
        self.assertGreater(count, 10)

    def test_every_verb_occurs(self):
        found = set()
        for line in self.messages():
            sender, receiver, _, verb, _ = self.LINE.fullmatch(line).groups()
            if receiver != "O":
                found.add((self.direction(sender, receiver), verb))
        # Said in words on the page, or without anything to see.
        plain = {"HELLO", "PING", "PONG", "BYE"}
        for direction, (_, verbs) in ROLES.items():
            for verb in set(verbs) - plain - {"WELCOME" if direction == "broker->agent" else "BEAT"}:
                self.assertIn((direction, verb), found)


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for folder, _, names in os.walk(PROTOCOL):
            for name in names:
                if not name.endswith(".md"):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                for target in re.findall(r"\]\(([^)]+)\)", text):
                    path, _, anchor = target.partition("#")
                    found = os.path.normpath(os.path.join(folder, path or name))
                    self.assertTrue(os.path.exists(found), f"{name}: {target}")
                    if anchor:
                        self.assertIn(anchor, self.anchors(found), f"{name}: {target}")

    def anchors(self, path):
        with open(path, encoding="utf-8") as file:
            titles = re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


if __name__ == "__main__":
    unittest.main()
