"""What callers give and get: replies, states, errors, ids."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import uuid
from dataclasses import dataclass
from typing import Any, Mapping, Optional

VERSION = b"UBP/1"
ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
#: Seconds.
DEADLINE_MAX = 86_400
HEADER_BYTES_MAX = 65_536
BODY_BYTES_MAX = 8 * 1024 * 1024


class UnderstudyError(Exception):
    """Anything that went wrong on the bus."""


class Unreachable(UnderstudyError):
    """No broker answered in time. The request may run all the same: `get` its id when the broker is back."""


class Closed(UnderstudyError):
    """The client was closed. The broker goes on with what it accepted."""


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


class Lost(BusError):
    """The broker that had accepted the request was started again and no longer knows it; `on_loss` is "fail"."""


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
        """The text of the first choice; empty when the model called a tool instead, or said nothing."""
        choices = self.body.get("choices") or [{}]
        message = choices[0].get("message") or {}
        return message.get("content") or ""

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
class Welcome:
    """What a broker says of itself."""

    #: Start of the broker in Unix ms; another value is another broker.
    epoch: int
    #: How long an id is remembered after its answer went.
    dedup_ms: int
    #: "memory", and "disk" when accepted requests outlive the broker.
    durabilities: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        """A member of the WELCOME by its name in the protocol."""
        value = getattr(self, name)
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Message:
    """A message from the broker."""

    verb: bytes
    id: str
    header: Mapping[str, Any]
    body: bytes

    @staticmethod
    def decode(frames: list[bytes]) -> Message:
        """Reads frames; UnderstudyError when they are no UBP/1."""
        if len(frames) < 4 or frames[0] != VERSION:
            raise UnderstudyError(f"this is no broker of UBP/1: it sent {frames[:1]!r}")
        try:
            header = json.loads(frames[3] or b"{}")
            id = frames[2].decode("ascii")
        except ValueError as error:
            raise UnderstudyError(f"the broker sent what cannot be read: {error}") from error
        if not isinstance(header, dict):
            raise UnderstudyError(f"the broker sent a header that is no object: {frames[3][:100]!r}")
        return Message(frames[1], id, header, b"".join(frames[4:]))

    def terminal(self) -> Reply | Failed | UnderstudyError:
        """What a REPLY or FAILURE says."""
        if self.verb == b"FAILURE":
            return Failed(self.id, self.header)
        try:
            return Reply(self.id, json.loads(self.body), self.header.get("meta"))
        except ValueError as error:
            return UnderstudyError(f"the answer to {self.id} is no JSON: {error}")


def default_directory() -> str:
    """Where the sockets lie when nobody says otherwise; see `checked_directory` for the one in /tmp."""
    named, runtime = os.environ.get("UNDERSTUDY_DIR"), os.environ.get("XDG_RUNTIME_DIR")
    return named or (f"{runtime}/understudy" if runtime else fallback_directory())


def fallback_directory() -> str:
    """Where the sockets lie when the environment does not say: anyone may have made it before the broker."""
    return f"/tmp/understudy-{os.geteuid()}"


def checked_directory(directory: str) -> bool:
    """Whether the fallback directory is there yet; Unreachable when anybody but this user may be behind it."""
    try:
        # A link could be turned to another place after the check.
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o777 != 0o700:
        raise Unreachable(
            f"{directory} is not a directory of this user's with mode 0700, as the broker makes it; set UNDERSTUDY_DIR"
        )
    return True


def new_id() -> str:
    """An id with 122 random bits."""
    return uuid.uuid4().hex


def checked_id(id: str) -> str:
    """The id, or ValueError when no broker would take it."""
    if not ID_PATTERN.fullmatch(id):
        raise ValueError(f"the id is {id!r}; expected 1 to 128 of A-Z a-z 0-9 . _ : -")
    return id


def checked_deadline(deadline: float) -> float:
    """The seconds, or ValueError when no request can wait for so long."""
    if not isinstance(deadline, (int, float)) or not 0 < deadline <= DEADLINE_MAX:
        raise ValueError(f"the deadline is {deadline!r}; expected seconds, more than 0 and at most {DEADLINE_MAX}")
    return deadline


def encoded_header(header: Mapping[str, Any]) -> bytes:
    """The header's bytes, or ValueError when they are too many."""
    encoded = json.dumps(header).encode() if header else b""
    if len(encoded) > HEADER_BYTES_MAX:
        raise ValueError(f"the header has {len(encoded)} bytes; expected at most {HEADER_BYTES_MAX}")
    return encoded


def encoded_body(body: Mapping[str, Any]) -> bytes:
    """The body's bytes, or ValueError when they are too many, TypeError when it is no mapping."""
    if not isinstance(body, Mapping):
        raise TypeError(f"the body is a {type(body).__name__}; expected a mapping, such as a dict with messages")
    encoded = json.dumps(body, ensure_ascii=False).encode()
    if len(encoded) > BODY_BYTES_MAX:
        raise ValueError(f"the body has {len(encoded)} bytes; expected at most {BODY_BYTES_MAX}")
    return encoded


def reachability(path: str) -> str:
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
            return f"no broker listens at {path} ({error.strerror or error})"
    return f"a broker listens at {path} but does not answer"
