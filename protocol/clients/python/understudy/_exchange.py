"""What a client says when. Nothing here does I/O or knows a clock: moments are given, messages are handed back."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, Callable, Mapping, NamedTuple, Optional, Union

from ._values import BusError, Lost, Message, Rejected, Reply, UnderstudyError, Unreachable, encoded_header

Result = Union[Reply, Message, UnderstudyError]


class Outgoing(NamedTuple):
    """A message to the broker."""

    verb: bytes
    id: str
    header: bytes = b""
    body: Optional[bytes] = None


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    #: Within which the broker must answer what it can answer at once.
    answer_timeout: float
    #: Silence after which a message is sent again.
    resend_every: float
    #: How long a call goes on while no broker is there.
    patience: float

    @property
    def get_every(self) -> float:
        """Silence after which an accepted request is asked for; silence is normal then."""
        return 7.5 * self.resend_every


OFFER_DOUBLINGS_MAX = 3
PAUSE_BASE, PAUSE_MAX = 0.5, 8.0
CANCELS_MAX = 3


class Conversation:
    """Messages about one id, with one result. `due` is when `tick` is to be called."""

    def __init__(self, id: str, timing: Timing, now: float, resolve: Callable[[Result], None]) -> None:
        self.id = id
        self.timing = timing
        self.began = now
        self.due = math.inf
        #: When `tick` will be called as things stand; the core's.
        self.scheduled = math.inf
        self.is_over = False
        self._resolve = resolve

    def begin(self, now: float) -> list[Outgoing]:
        raise NotImplementedError

    def connected(self, now: float) -> list[Outgoing]:
        """A connection is there, the first or another one: what was sent before may be lost."""
        raise NotImplementedError

    def tick(self, now: float) -> list[Outgoing]:
        raise NotImplementedError

    def blocked(self, now: float) -> None:
        """What was handed back could not be sent: there is no connection. A new one is told of; this is for certainty."""
        self.due = min(self.due, now + self.timing.resend_every)

    def end(self, result: Result) -> None:
        """Ends it; the caller is told if it was not yet."""
        self.is_over = True
        self.due = math.inf
        resolve, self._resolve = self._resolve, _nobody
        resolve(result)

    def leave(self) -> None:
        """Nobody waits for the result any more."""
        self._resolve = _nobody


def _nobody(_: Result) -> None:
    pass


class Phase(enum.Enum):
    #: REQUEST was or will be sent.
    OFFERING = enum.auto()
    #: The broker has no room now.
    PAUSING = enum.auto()
    #: The broker has accepted, or somebody else's request is waited for.
    FOLLOWING = enum.auto()
    #: CANCEL was sent.
    CANCELLING = enum.auto()


class Exchange(Conversation):
    """A request from its sending to its terminal, which the caller acknowledges.

    Without a payload it is somebody else's, which can be waited for but not sent again.
    """

    def __init__(
        self,
        id: str,
        payload: Optional[bytes],
        header: Mapping[str, Any],
        deadline: float,
        timing: Timing,
        now: float,
        resolve: Callable[[Result], None],
    ) -> None:
        super().__init__(id, timing, now, resolve)
        self._payload = payload
        self._header = dict(header)
        self._deadline = deadline
        self._expiry = now + deadline
        # The broker ends a request at its deadline and says so; the reserve is for that answer to arrive.
        self._until = self._expiry + timing.answer_timeout
        self._phase = Phase.OFFERING if payload is not None else Phase.FOLLOWING
        self._offers = 0
        self._pauses = 0
        self._cancels = 0
        self._may_be_known = False
        self._is_sent = False
        self._rejection: Optional[BusError] = None

    def begin(self, now: float) -> list[Outgoing]:
        return self._offer(now) if self._phase is Phase.OFFERING else self._get(now)

    def connected(self, now: float) -> list[Outgoing]:
        if self._phase is Phase.OFFERING:
            return self._offer(now)
        if self._phase is Phase.FOLLOWING:
            return self._get(now)
        return [Outgoing(b"CANCEL", self.id)] if self._phase is Phase.CANCELLING else []

    def blocked(self, now: float) -> None:
        super().blocked(now)
        if self._is_sent and self._phase is Phase.OFFERING:
            self._is_sent = False
            self._offers -= 1

    def tick(self, now: float) -> list[Outgoing]:
        if self._phase is Phase.CANCELLING:
            return self._cancel(now)
        if self._phase is Phase.FOLLOWING:
            if now < self._until:
                return self._get(now)
            self.end(Unreachable(f"no answer to request {self.id} within its deadline of {self._deadline:g} s"))
            return []
        return self._offer(now)

    def receive(self, message: Message, now: float) -> list[Outgoing]:
        """Takes in a message with this id."""
        if message.verb in (b"REPLY", b"FAILURE"):
            is_cancelled = self._phase is Phase.CANCELLING
            self.end(message.terminal())
            # Nobody else will.
            return [Outgoing(b"ACK", self.id)] if is_cancelled else []
        if message.verb == b"ACCEPTED":
            if self._phase in (Phase.OFFERING, Phase.PAUSING):
                self._phase = Phase.FOLLOWING
                self._may_be_known = True
                self.due = now + self.timing.get_every
        elif message.verb in (b"STATE", b"CHUNK"):
            if self._phase is Phase.FOLLOWING:
                self.due = now + self.timing.get_every
        elif message.verb in (b"REJECTED", b"ERROR"):
            return self._refused(message, now)
        return []

    def cancel(self, now: float) -> list[Outgoing]:
        """Nobody waits any more, and the request is to end. Somebody else's goes on."""
        self.leave()
        if self.is_over or self._phase is Phase.CANCELLING:
            return []
        if self._payload is None or not (self._may_be_known or self._is_sent):
            self.is_over = True
            return []
        self._phase = Phase.CANCELLING
        return self._cancel(now)

    def _cancel(self, now: float) -> list[Outgoing]:
        if self._cancels == CANCELS_MAX:
            self.is_over = True
            return []
        self._cancels += 1
        self.due = now + self.timing.resend_every
        return [Outgoing(b"CANCEL", self.id)]

    def _offer(self, now: float) -> list[Outgoing]:
        left = self._expiry - now
        if left <= 0:
            self.end(self._rejection or Unreachable(f"request {self.id} was not accepted within {self._deadline:g} s"))
            return []
        self._phase = Phase.OFFERING
        # It may be known, whatever becomes of this one.
        self._may_be_known = self._may_be_known or self._is_sent
        self._is_sent = True
        self.due = min(self._expiry, now + self.timing.resend_every * 2 ** min(self._offers, OFFER_DOUBLINGS_MAX))
        self._offers += 1
        # What is left: the broker counts from acceptance.
        self._header["deadline_ms"] = max(1000, round(left * 1000))
        return [Outgoing(b"REQUEST", self.id, encoded_header(self._header), self._payload)]

    def _get(self, now: float) -> list[Outgoing]:
        self.due = min(self._until, now + self.timing.get_every)
        return [Outgoing(b"GET", self.id)]

    def _refused(self, message: Message, now: float) -> list[Outgoing]:
        error = Rejected("REJECTED", message.header) if message.verb == b"REJECTED" else BusError("ERROR", message.header)
        if self._phase is Phase.CANCELLING:
            self.is_over = True
        elif self._phase is Phase.FOLLOWING:
            if error.symbol == "unknown_request" and self._payload is not None:
                # The broker was started again and held it in memory only. It may have been paid for.
                if self._header.get("on_loss") != "fail":
                    self._offers = 0
                    return self._offer(now)
                self.end(Lost("ERROR", message.header))
            elif error.retry == "same_id" and error.retry_after_ms is not None:
                # Too many wait for this request already.
                self.due = now + max(error.retry_after_ms / 1000, 0.001)
            else:
                self.end(error)
        elif error.retry != "same_id":
            self.end(error)
        else:
            self._rejection = error
            self._phase = Phase.PAUSING
            own = min(PAUSE_MAX, PAUSE_BASE * 2 ** min(self._pauses, 10))
            self._pauses += 1
            wait = own if error.retry_after_ms is None else max(error.retry_after_ms / 1000, 0.001)
            self.due = now + wait
            if self.due >= self._expiry:
                self.end(error)
        return []


class Inquiry(Conversation):
    """A message with one short answer; all that is sent so may be sent twice."""

    def __init__(
        self,
        message: Outgoing,
        expected: tuple[bytes, ...],
        timing: Timing,
        now: float,
        resolve: Callable[[Result], None],
    ) -> None:
        super().__init__(message.id, timing, now, resolve)
        self.expected = expected
        self._message = message
        self._until = now + timing.answer_timeout

    def begin(self, now: float) -> list[Outgoing]:
        self.due = min(self._until, now + self.timing.resend_every)
        return [self._message]

    def connected(self, now: float) -> list[Outgoing]:
        return self.begin(now)

    def tick(self, now: float) -> list[Outgoing]:
        if now < self._until:
            return self.begin(now)
        self.end(Unreachable(f"no answer to {self._message.verb.decode()} within {self.timing.answer_timeout:g} s"))
        return []

    def receive(self, message: Message) -> None:
        """Takes in an answer that is for this message."""
        self.end(BusError("ERROR", message.header) if message.verb == b"ERROR" else message)
