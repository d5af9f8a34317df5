"""All conversations over one connection. No I/O: the client sends, and says what came and when."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Callable, Optional

from ._exchange import Conversation, Exchange, Inquiry, Outgoing, Timing
from ._values import VERSION, Closed, Message, UnderstudyError, Unreachable


class Core:
    """Gives what comes to whom it is for, and calls each when its time has come."""

    def __init__(self, send: Callable[[list[bytes]], bool], timing: Timing) -> None:
        """send: sends a message; False when there is no connection."""
        self._send = send
        self._timing = timing
        self._exchanges: dict[str, Exchange] = {}
        self._inquiries: dict[str, list[Inquiry]] = {}
        # What is due when, once for each conversation; one that is to be called later than it stands here is put back.
        self._heap: list[tuple[float, int, Conversation]] = []
        self._order = itertools.count()
        #: Since when there is no connection; None while there is one.
        self._absent_since: Optional[float] = -math.inf

    @property
    def open_requests(self) -> int:
        return len(self._exchanges)

    @property
    def is_idle(self) -> bool:
        return not self._exchanges and not self._inquiries

    @property
    def is_connected(self) -> bool:
        return self._absent_since is None

    @property
    def due(self) -> Optional[float]:
        """When `tick` is to be called."""
        return self._heap[0][0] if self._heap else None

    def has_request(self, id: str) -> bool:
        return id in self._exchanges

    def start_exchange(self, exchange: Exchange, now: float) -> None:
        self._exchanges[exchange.id] = exchange
        self._perform(exchange, exchange.begin(now), now)

    def start_inquiry(self, inquiry: Inquiry, now: float) -> None:
        self._inquiries.setdefault(inquiry.id, []).append(inquiry)
        self._perform(inquiry, inquiry.begin(now), now)

    def cancel(self, exchange: Exchange, now: float) -> None:
        self._perform(exchange, exchange.cancel(now), now)

    def connected(self, now: float) -> None:
        self._absent_since = None
        for conversation in self._all():
            self._perform(conversation, conversation.connected(now), now)

    def disconnected(self, now: float) -> None:
        self._absent_since = now
        for conversation in self._all():
            self._schedule(conversation)

    def receive(self, frames: list[bytes], now: float) -> None:
        try:
            message = Message.decode(frames)
        except UnderstudyError:
            # What cannot be read answers nothing; what waits goes by its own time-outs.
            return
        exchange = self._exchanges.get(message.id)
        inquiries = self._inquiries.get(message.id, [])
        if message.verb in (b"REPLY", b"FAILURE"):
            for inquiry in [inquiry for inquiry in inquiries if message.verb in inquiry.expected]:
                self._answer(inquiry, message)
        elif message.verb == b"ERROR" and inquiries:
            # Short answers come in the order of the questions.
            self._answer(inquiries[0], message)
            return
        elif fitting := [inquiry for inquiry in inquiries if message.verb in inquiry.expected]:
            self._answer(fitting[0], message)
            return
        if exchange is not None:
            self._perform(exchange, exchange.receive(message, now), now)

    def tick(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            _, _, conversation = heapq.heappop(self._heap)
            conversation.scheduled = math.inf
            if conversation.is_over:
                continue
            messages: list[Outgoing] = []
            if self._gives_up_at(conversation) <= now:
                conversation.end(Unreachable(f"waited {self._timing.patience:g} s for a broker"))
            elif conversation.due <= now:
                messages = conversation.tick(now)
            self._perform(conversation, messages, now)

    def close(self) -> None:
        self.end_all(Closed("the client was closed"))

    def end_all(self, error: UnderstudyError) -> None:
        for conversation in self._all():
            conversation.end(error)
        self._exchanges.clear()
        self._inquiries.clear()
        self._heap.clear()

    @property
    def _count(self) -> int:
        return len(self._exchanges) + len(self._inquiries)

    def _all(self) -> list[Conversation]:
        return [*self._exchanges.values(), *itertools.chain.from_iterable(self._inquiries.values())]

    def _answer(self, inquiry: Inquiry, message: Message) -> None:
        inquiry.receive(message)
        self._forget(inquiry)

    def _perform(self, conversation: Conversation, messages: list[Outgoing], now: float) -> None:
        for verb, id, header, body in messages:
            frames = [VERSION, verb, id.encode(), header]
            if not self._send(frames if body is None else [*frames, body]):
                conversation.blocked(now)
        if conversation.is_over:
            self._forget(conversation)
        else:
            self._schedule(conversation)

    def _forget(self, conversation: Conversation) -> None:
        if isinstance(conversation, Inquiry):
            left = [other for other in self._inquiries.get(conversation.id, []) if other is not conversation]
            if left:
                self._inquiries[conversation.id] = left
            else:
                self._inquiries.pop(conversation.id, None)
        elif self._exchanges.get(conversation.id) is conversation:
            del self._exchanges[conversation.id]

    def _gives_up_at(self, conversation: Conversation) -> float:
        if self._absent_since is None:
            return math.inf
        return max(self._absent_since, conversation.began) + self._timing.patience

    def _schedule(self, conversation: Conversation) -> None:
        moment = min(conversation.due, self._gives_up_at(conversation))
        if moment >= conversation.scheduled:
            return
        conversation.scheduled = moment
        heapq.heappush(self._heap, (moment, next(self._order), conversation))
        if len(self._heap) > 64 and len(self._heap) > 4 * self._count:
            # Most are over: short calls leave the long time-outs behind that they did not need.
            self._heap = [entry for entry in self._heap if entry[2].scheduled == entry[0] and not entry[2].is_over]
            heapq.heapify(self._heap)
