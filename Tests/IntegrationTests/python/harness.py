"""What the test scripts share. They run against a bus that the Swift side started, named by the environment."""

import glob
import json
import os
import sys
import time
import unittest
import urllib.request
import uuid

import schemas
import zmq

DIRECTORY = os.environ["UNDERSTUDY_DIR"]
PROGRAM = os.environ["UNDERSTUDY_PROGRAM"]
ROOT = os.environ["UNDERSTUDY_ROOT"]
UP = int(os.environ["UNDERSTUDY_UP_PID"])

# Bound of every wait: far above what a busy machine takes, and below the time limit of the test.
PATIENCE = 60.0

CLIENTS = os.path.join(ROOT, "protocol", "clients", "python")
sys.path.insert(0, CLIENTS)

with open(os.path.join(ROOT, "protocol", "errors.json"), encoding="utf-8") as _file:
    ERRORS = {entry["code"]: entry for entry in json.load(_file)["errors"]}

_context = zmq.Context.instance()


def new_id():
    return uuid.uuid4().hex.encode()


def chat(model=None, text="Hello?", **members):
    """A request's body."""
    body = {"messages": [{"role": "user", "content": text}], **members}
    if model is not None:
        body["model"] = model
    return json.dumps(body).encode()


class Answer:
    """A message from the broker, without its envelope. Its header must be as protocol/schemas says."""

    def __init__(self, frames, role="to-agent"):
        version, verb, self.id, header, *body = frames
        if version != b"UBP/1":
            raise AssertionError(f"no version in {frames}")
        self.verb = verb.decode()
        self.header = json.loads(header or b"{}")
        self.body = b"".join(body)
        schemas.check_header(role, self.verb, self.header)
        if self.verb == "STATE" and self.id.startswith(b"sys."):
            schemas.check(f"documents.schema.json#/$defs/{self.id.decode()}", json.loads(self.body))

    @property
    def code(self):
        return self.header.get("code")

    @property
    def text(self):
        return json.loads(self.body)["choices"][0]["message"]["content"]

    def __repr__(self):
        return f"{self.verb} {self.id!r} {self.header} {self.body[:200]!r}"


class Peer:
    """A connection to one of the broker's sockets."""

    def __init__(self, kind=zmq.DEALER, socket="agents.sock", **options):
        self.socket = _context.socket(kind)
        self.role = "to-worker" if socket == "workers.sock" else "to-agent"
        self.socket.linger = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(f"ipc://{DIRECTORY}/{socket}")

    def send(self, *frames):
        self.socket.send_multipart(frames)

    def frames(self, patience=PATIENCE):
        """The next message as it came."""
        if not self.socket.poll(patience * 1000):
            raise AssertionError(f"no message within {patience} s")
        return self.socket.recv_multipart()

    def receive(self, patience=PATIENCE):
        return Answer(self.frames(patience), self.role)

    def exchange(self, *frames):
        self.send(*frames)
        return self.receive()

    def ask(self, verb, id=b"", header=None, *body):
        return self.exchange(*message(verb, id, header, *body))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def message(verb, id=b"", header=None, *body):
    """The frames of a message; the header as an object, as bytes or not at all."""
    if header is None:
        header = b""
    elif not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return [b"UBP/1", verb.encode(), id, header, *body]


class BusTest(unittest.TestCase):
    """Checks that tests have in common."""

    def dealer(self, **options):
        return self.closing(Peer(zmq.DEALER, **options))

    def req(self, **options):
        return self.closing(Peer(zmq.REQ, **options))

    def closing(self, peer):
        self.addCleanup(peer.close)
        return peer

    def check_error(self, answer, code, verb="ERROR"):
        """An error as protocol/errors.json has it, with a message."""
        self.assertEqual(answer.verb, verb, answer)
        self.assertEqual(answer.code, code, answer)
        entry = dict(ERRORS[code])
        if (answer.header.get("meta") or {}).get("total_attempts") == 0:
            entry["billed"] = "no"
        for name in ("symbol", "retry", "billed"):
            self.assertEqual(answer.header[name], entry[name], answer)
        self.assertGreater(len(answer.header["message"]), 5, answer)
        self.assertEqual(answer.body, b"", answer)

    def check_reply(self, answer, id):
        self.assertEqual(answer.verb, "REPLY", answer)
        self.assertEqual(answer.id, id, answer)
        self.assertIn("choices", json.loads(answer.body), answer)
        self.assertIsNotNone(answer.header["meta"]["resolved_model"], answer)

    def check_accepted(self, answer, id, duplicate=False, durability="disk"):
        self.assertEqual((answer.verb, answer.id), ("ACCEPTED", id), answer)
        self.assertEqual(answer.header, {"durability": durability, "duplicate": duplicate})


def mock_port():
    """The port of the mock provider, from the configuration that `up` made for its children."""
    (path,) = glob.glob(f"{DIRECTORY}/up-*.json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)["mock"]["port"]


def mock_counts(port):
    """What the mock provider counted: calls in all, per request id, per model, per status."""
    # No proxy of the environment comes between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/_mock/counts", timeout=PATIENCE) as response:
        return json.load(response)


def children(role):
    """Process ids of the children of `up` that play a role."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                # The name in parentheses may hold anything; behind it: state, parent.
                state, parent = file.read().rpartition(")")[2].split()[:2]
            if int(parent) != UP or state == "Z":
                continue
            pid = int(path.split("/")[2])
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if len(arguments) > 1 and arguments[1] == role.encode():
            found.append(pid)
    return sorted(found)


class Events:
    """A subscriber to telemetry."""

    def __init__(self, *topics):
        self.socket = _context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 1_000_000
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.connect(f"ipc://{DIRECTORY}/telemetry.sock")

    def next(self, patience=PATIENCE):
        """The next event; None when there is none in time. It must be as protocol/schemas says."""
        if not self.socket.poll(patience * 1000):
            return None
        return self.next_numbered()[0]

    def next_numbered(self):
        """The next event and its number within its class."""
        _topic, _version, _epoch, number, text = self.socket.recv_multipart()
        event = json.loads(text)
        schemas.check("events.schema.json", event)
        return event, int.from_bytes(number, "big")

    def close(self):
        self.socket.close()


def wait_until(what, condition, pause):
    """Calls `condition` until it holds; `pause` waits for something that may change it, and comes back in any case."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        pause()
