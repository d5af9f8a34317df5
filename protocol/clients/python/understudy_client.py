"""A small blocking client of Understudy, for Python 3.9 or newer with pyzmq.

    with Client() as bus:
        reply = bus.ask("What is a lease?", task="task-17")
        print(reply.text, reply.resolved_model, reply.attempts)
        bus.task_completed("task-17")

A request is sent again with the same id until the broker said ACCEPTED, and asked for with GET from then on; the same id
is the same request, so that neither makes a second call. ZeroMQ connects again by itself when the broker was away.

One Client belongs to one thread and does one thing at a time; make as many as you need.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any, Mapping, Optional

import zmq

VERSION = b"UBP/1"
ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
HEADER_BYTES_MAX = 65_536
BODY_BYTES_MAX = 8 * 1024 * 1024


class UnderstudyError(Exception):
    """Anything that went wrong on the bus."""


class Unreachable(UnderstudyError):
    """No broker answered in time. The request may run all the same: `get` its id when the broker is back."""


class BusError(UnderstudyError):
    """The broker refused a message: an ERROR. `code` and `symbol` are those of protocol/errors.json."""

    def __init__(self, verb: str, header: Mapping[str, Any]) -> None:
        self.code: int = header.get("code", 0)
        self.symbol: str = header.get("symbol", "")
        self.message: str = header.get("message", "")
        #: What may help: "never", "same_id" or "new_id".
        self.retry: str = header.get("retry", "never")
        #: Whether a provider may have charged: "no" or "maybe".
        self.billed: str = header.get("billed", "maybe")
        self.retry_after_ms: Optional[int] = header.get("retry_after_ms")
        super().__init__(f"{verb} {self.code} {self.symbol}: {self.message}")


class Rejected(BusError):
    """The broker did not take the request: a REJECTED that further tries in the time given did not change."""


class Failed(BusError):
    """The request ended in a FAILURE."""

    def __init__(self, id: str, header: Mapping[str, Any]) -> None:
        super().__init__("FAILURE", header)
        self.id = id
        #: HTTP status of the primary model's last error, if it was one.
        self.status: Optional[int] = header.get("status")
        #: The model whose error this is, as provider/model.
        self.model: Optional[str] = header.get("model")
        self.provider_error: Any = header.get("provider_error")
        #: How it came about; None when nothing is known.
        self.meta: Optional[Mapping[str, Any]] = header.get("meta")


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    id: str
    #: An OpenAI chat completion, whichever provider answered.
    body: Mapping[str, Any]
    #: How it came about; None when the broker left it out for its size.
    meta: Optional[Mapping[str, Any]]

    @property
    def text(self) -> str:
        """The text of the first choice; empty when the model called a tool instead."""
        return self.body["choices"][0]["message"].get("content") or ""

    @property
    def resolved_model(self) -> Optional[str]:
        """The model that answered, as provider/model."""
        return self.meta["resolved_model"] if self.meta else None

    @property
    def attempts(self) -> Optional[int]:
        """Calls of the model that answered."""
        return self.meta["attempts"] if self.meta else None


@dataclass(frozen=True)
class State:
    """How far a request without terminal is."""

    id: str
    #: "queued", "leased" or "running".
    state: str
    deliveries: int
    attempts: int
    age_ms: int
    remaining_ms: int


@dataclass(frozen=True)
class _Message:
    verb: bytes
    id: bytes
    header: Mapping[str, Any]
    body: bytes


def default_directory() -> str:
    """Where the sockets lie when nobody says otherwise."""
    named, runtime = os.environ.get("UNDERSTUDY_DIR"), os.environ.get("XDG_RUNTIME_DIR")
    return named or (f"{runtime}/understudy" if runtime else f"/tmp/understudy-{os.getuid()}")


def new_id() -> str:
    """An id with 122 random bits."""
    return uuid.uuid4().hex


class Client:
    """A connection to the broker of a directory, as an attached agent."""

    def __init__(
        self,
        directory: Optional[str] = None,
        *,
        answer_timeout: float = 10.0,
        resend_every: float = 2.0,
        context: Optional[zmq.Context] = None,
    ) -> None:
        """Makes a client; nothing is sent yet, and no broker need be there.

        directory: of the sockets; default as `default_directory`.
        answer_timeout: seconds within which the broker must answer what it can answer at once.
        resend_every: seconds of silence after which a message is sent again.
        """
        self.path = os.path.join(directory or default_directory(), "agents.sock")
        self._answer_timeout = answer_timeout
        self._resend_every = resend_every
        self._socket = (context or zmq.Context.instance()).socket(zmq.DEALER)
        # No ZeroMQ heartbeats: libzmq 4.3.4 can abort the process with them.
        self._socket.linger = 0
        # Queue nothing for a broker that is not there.
        self._socket.immediate = 1
        self._socket.reconnect_ivl = 50
        self._socket.reconnect_ivl_max = 1000
        self._socket.connect(f"ipc://{self.path}")

    def close(self) -> None:
        """Closes the connection. Requests go on, unless they said `cancel_on_disconnect`."""
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Requests

    def ask(self, text: str, *, model: Optional[str] = None, **options: Any) -> Reply:
        """Asks one question; `options` as in `request`."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
        if model is not None:
            body["model"] = model
        return self.request(body, **options)

    def request(
        self,
        body: Mapping[str, Any],
        *,
        id: Optional[str] = None,
        deadline: float = 1800.0,
        priority: Optional[int] = None,
        durability: Optional[str] = None,
        on_loss: Optional[str] = None,
        task: Optional[str] = None,
        ttl: Optional[float] = None,
        cancel_on_disconnect: bool = False,
        acknowledge: bool = True,
    ) -> Reply:
        """Sends an OpenAI Chat Completions request and waits for its answer.

        id: the request's; default a new random one. The same id again gives the same answer, without another call.
        deadline: seconds, 1 to 86400, for everything: waits, retries and fallbacks.
        priority: 0 to 9, higher is sooner; default 4.
        durability: "memory" or "disk"; default the best on offer.
        on_loss: "retry" (default) or "fail", when a process that had begun a call is lost.
        task: the task it belongs to, see `task_completed`.
        ttl: seconds that the broker keeps the answer when it is not acknowledged.
        acknowledge: False to leave the answer with the broker; then call `ack`.

        Raises Failed, Rejected, BusError, Unreachable, and ValueError for what no broker would take.
        """
        request_id = _checked_id(new_id() if id is None else id)
        payload = json.dumps(body, ensure_ascii=False).encode()
        if len(payload) > BODY_BYTES_MAX:
            raise ValueError(f"the body has {len(payload)} bytes; expected at most {BODY_BYTES_MAX}")
        options: dict[str, Any] = {
            "priority": priority,
            "durability": durability,
            "on_loss": on_loss,
            "task": task,
            "ttl_ms": None if ttl is None else round(ttl * 1000),
        }
        header = {name: value for name, value in options.items() if value is not None}
        if cancel_on_disconnect:
            header["cancel_on_disconnect"] = True

        end = time.monotonic() + deadline
        # The broker ends the request at its deadline and says so; the reserve is for that answer to arrive.
        last = end + self._answer_timeout
        is_accepted = False
        next_send = 0.0
        while True:
            now = time.monotonic()
            if now >= last:
                raise self._unreachable(f"no answer to request {request_id} within its deadline of {deadline:g} s")
            if now >= next_send:
                if is_accepted:
                    self._send(b"GET", request_id)
                else:
                    # What is left: the broker counts from acceptance.
                    header["deadline_ms"] = max(1000, round((end - now) * 1000))
                    self._send(b"REQUEST", request_id, header, payload)
                next_send = now + self._resend_every
            message = self._receive(min(next_send, last), request_id)
            if message is None:
                if not is_accepted and time.monotonic() >= end:
                    raise self._unreachable(f"request {request_id} was not accepted within {deadline:g} s")
            elif message.verb == b"ACCEPTED":
                is_accepted = True
            elif message.verb in (b"REPLY", b"FAILURE"):
                if acknowledge:
                    self._acknowledge_quietly(request_id)
                return _result(message)
            elif message.verb == b"REJECTED":
                rejected = Rejected("REJECTED", message.header)
                wait = (rejected.retry_after_ms or 1000) / 1000
                if rejected.retry != "same_id" or time.monotonic() + wait >= end:
                    raise rejected
                next_send = time.monotonic() + wait
            elif message.verb == b"ERROR":
                error = BusError("ERROR", message.header)
                if error.retry == "same_id" and error.retry_after_ms is not None:
                    # Too many wait for this request already.
                    next_send = time.monotonic() + error.retry_after_ms / 1000
                    continue
                # The broker was started again and held the request in memory only.
                is_lost = is_accepted and error.symbol == "unknown_request"
                if not is_lost or on_loss == "fail":
                    raise error
                is_accepted = False
                next_send = 0.0

    def get(self, id: str) -> Reply | State:
        """The answer to a request, or how far it is. Raises Failed, and BusError 404 or 410 for one that is not there."""
        message = self._exchange(b"GET", _checked_id(id), {}, (b"STATE", b"REPLY", b"FAILURE"))
        if message.verb != b"STATE":
            return _result(message)
        header = message.header
        return State(
            id,
            header["state"],
            header["deliveries"],
            header["attempts"],
            header["age_ms"],
            header["remaining_ms"],
        )

    def cancel(self, id: str) -> Reply | Failed:
        """Cancels a request, from any connection of the user; gives what it ended in: `cancelled`, unless it was over."""
        message = self._exchange(b"CANCEL", _checked_id(id), {}, (b"REPLY", b"FAILURE"))
        try:
            return _result(message)
        except Failed as failed:
            return failed

    def ack(self, id: str) -> None:
        """Lets the broker forget an answer. BusError 405 when there is none yet."""
        self._exchange(b"ACK", _checked_id(id), {}, (b"OK",))

    # Tasks

    def task_completed(self, task: str) -> None:
        """Reports that a task of the agent's ended well."""
        self._exchange(b"TASK", _checked_id(task), {"status": "completed"}, (b"OK",))

    def task_failed(self, task: str, kind: str) -> None:
        """Reports that a task of the agent's failed; kind "llm" for want of an answer, else "application"."""
        self._exchange(b"TASK", _checked_id(task), {"status": "failed", "kind": kind}, (b"OK",))

    # The bus

    def hello(self, name: str) -> Mapping[str, Any]:
        """What the broker says of itself: epoch, dedup_ms, durabilities."""
        return self._exchange(b"HELLO", "", {"client": name}, (b"WELCOME",)).header

    def ping(self) -> float:
        """Seconds until the broker's PONG."""
        start = time.monotonic()
        self._exchange(b"PING", new_id(), {}, (b"PONG",))
        return time.monotonic() - start

    # Messages

    def _exchange(self, verb: bytes, id: str, header: Mapping[str, Any], expected: tuple[bytes, ...]) -> _Message:
        """Sends a message until it is answered; all that is sent so may be sent twice."""
        last = time.monotonic() + self._answer_timeout
        while time.monotonic() < last:
            self._send(verb, id, header)
            pause = time.monotonic() + self._resend_every
            while (message := self._receive(min(pause, last), id)) is not None:
                if message.verb == b"ERROR":
                    raise BusError("ERROR", message.header)
                if message.verb in expected:
                    return message
        raise self._unreachable(f"no answer to {verb.decode()} within {self._answer_timeout:g} s")

    def _acknowledge_quietly(self, id: str) -> None:
        try:
            self.ack(id)
        except UnderstudyError:
            # The answer is here; the broker forgets its copy after the ttl. Gone already after a second ACK.
            pass

    def _send(self, verb: bytes, id: str, header: Optional[Mapping[str, Any]] = None, body: Optional[bytes] = None) -> None:
        encoded = json.dumps(header).encode() if header else b""
        if len(encoded) > HEADER_BYTES_MAX:
            raise ValueError(f"the header has {len(encoded)} bytes; expected at most {HEADER_BYTES_MAX}")
        frames = [VERSION, verb, id.encode(), encoded]
        # Nobody there, or the pipe is full: to the caller it is silence, after which it sends again.
        if self._socket.poll(min(self._resend_every, self._answer_timeout) * 1000, zmq.POLLOUT):
            self._socket.send_multipart(frames if body is None else [*frames, body])

    def _receive(self, until: float, id: str) -> Optional[_Message]:
        """The next message about `id`; None when there is none `until` then. What is late for another is dropped."""
        while True:
            wait_ms = max(0, round((until - time.monotonic()) * 1000))
            if not self._socket.poll(wait_ms):
                return None
            frames = self._socket.recv_multipart()
            if len(frames) < 4 or frames[0] != VERSION:
                raise UnderstudyError(f"this is no broker of UBP/1: it sent {frames[:1]!r}")
            if frames[2] == id.encode():
                return _Message(frames[1], frames[2], json.loads(frames[3] or b"{}"), b"".join(frames[4:]))

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(f"{what}: {_reachability(self.path)}")


def _result(message: _Message) -> Reply:
    id = message.id.decode()
    if message.verb == b"FAILURE":
        raise Failed(id, message.header)
    return Reply(id, json.loads(message.body), message.header.get("meta"))


def _checked_id(id: str) -> str:
    if not ID_PATTERN.fullmatch(id):
        raise ValueError(f"the id is {id!r}; expected 1 to 128 of A-Z a-z 0-9 . _ : -")
    return id


def _reachability(path: str) -> str:
    """Why a broker may not answer: ZeroMQ connects in silence for ever."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except FileNotFoundError:
            return f"there is no {path}; start one with 'understudy up', or set UNDERSTUDY_DIR"
        except PermissionError:
            return f"this user may not open {path}"
        except OSError as error:
            return f"no broker listens at {path} ({error.strerror})"
    return f"a broker listens at {path} but does not answer"
