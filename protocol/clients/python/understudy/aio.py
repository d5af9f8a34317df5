"""The client for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Mapping, Optional, Union

import zmq
from zmq.utils.monitor import parse_monitor_message

from ._core import Core
from ._exchange import Exchange, Inquiry, Outgoing, Result, Timing
from ._values import (
    BusError,
    Closed,
    Failed,
    Message,
    Reply,
    State,
    UnderstudyError,
    Unreachable,
    Welcome,
    checked_deadline,
    checked_directory,
    checked_id,
    default_directory,
    encoded_body,
    encoded_header,
    fallback_directory,
    new_id,
    reachability,
)

#: Messages taken in at once before others of the event loop have their turn.
TURN_MAX = 256
#: Seconds that `close` waits for the broker's answer to `BYE`.
CLOSE_WAIT_MAX = 1.0
#: Seconds between two looks for a directory that must be checked before the connection is made.
LOOK_EVERY = 0.2


class AsyncClient:
    """A connection to the broker of a directory, as an attached agent, for any number of requests at once.

    It belongs to the event loop in which it is used first, and to that loop's thread.
    """

    def __init__(
        self,
        directory: Optional[str] = None,
        *,
        answer_timeout: float = 10.0,
        resend_every: float = 2.0,
        patience: float = 15.0,
        open_requests_max: int = 100_000,
        context: Optional[zmq.Context[Any]] = None,
    ) -> None:
        """Makes a client; nothing is sent yet, and no broker need be there.

        directory: of the sockets; default as `default_directory`. In the one in /tmp a call raises Unreachable, and
            nothing is sent, unless it belongs to this user alone.
        answer_timeout: seconds within which the broker must answer what it can answer at once.
        resend_every: seconds of silence after which a message is sent again.
        patience: seconds that a call goes on while no broker is there; long enough for its restart.
        open_requests_max: requests under way at once; a further one is a ValueError.
        """
        for name, value in (("answer_timeout", answer_timeout), ("resend_every", resend_every), ("patience", patience)):
            if not value > 0:
                raise ValueError(f"{name} is {value!r}; expected more than 0 seconds")
        self._directory = directory or default_directory()
        self._is_fallback = self._directory == fallback_directory()
        self.path = os.path.join(self._directory, "agents.sock")
        self._timing = Timing(answer_timeout, resend_every, patience)
        self._open_requests_max = open_requests_max
        self._context = context
        self._core = Core(self._send, self._timing)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._socket: Optional[zmq.Socket[bytes]] = None
        self._monitor: Optional[zmq.Socket[bytes]] = None
        self._timer: Optional[asyncio.TimerHandle] = None
        self._timer_at = 0.0
        self._is_pump_due = False
        self._is_closed = False
        self._reachability = (-1.0, "")

    async def close(self) -> None:
        """Closes the connection. Requests go on, unless they said `cancel_on_disconnect`; who waits here gets Closed.

        Says goodbye to a broker that is there, and waits a moment for its answer: acknowledgements and cancellations
        that were sent have arrived by then.
        """
        if self._is_closed:
            return
        if self._core.is_connected and asyncio.get_running_loop() is self._loop:
            # Messages of one connection are read in their order.
            with contextlib.suppress(UnderstudyError, asyncio.TimeoutError):
                await asyncio.wait_for(self._inquire(b"BYE", "", {}, (b"OK",)), CLOSE_WAIT_MAX)
        self._shut()

    async def __aenter__(self) -> AsyncClient:
        self._opened()
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    # Requests

    async def ask(self, text: str, *, model: Optional[str] = None, **options: Any) -> Reply:
        """Asks one question; `options` as in `request`."""
        return await self.request(question(text, model), **options)

    async def request(
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
        """Sends an OpenAI Chat Completions request and waits for its answer. Cancelling the wait cancels the request.

        id: the request's; default a new random one. The same id again gives the same answer, without another call.
        deadline: seconds, more than 0 and at most 86400, for everything: waits, retries and fallbacks.
        priority: 0 to 9, higher is sooner; default 4.
        durability: "memory" or "disk"; default the best on offer.
        on_loss: "retry" (default) or "fail", when a process that had begun a call is lost.
        task: the task it belongs to, see `task_completed`.
        ttl: seconds that the broker keeps the answer when it is not acknowledged.
        acknowledge: False to leave the answer with the broker until it is safe; then call `ack`.

        Raises Failed, Rejected, Lost, BusError, Unreachable, Closed, and ValueError for what no broker would take.
        """
        request_id = checked_id(new_id() if id is None else id)
        checked_deadline(deadline)
        header = request_header(
            priority=priority,
            durability=durability,
            on_loss=on_loss,
            task=task,
            ttl=ttl,
            cancel_on_disconnect=cancel_on_disconnect,
        )
        # The longest that will be sent.
        encoded_header({**header, "deadline_ms": 10**9})
        return await self._follow(request_id, encoded_body(body), header, deadline, acknowledge)

    async def attach(self, id: str, *, deadline: float = 86_400.0, acknowledge: bool = True) -> Reply:
        """Waits for the answer to a request that another connection, process or program has sent.

        Cancelling the wait leaves the request alone. deadline: seconds to wait, more than 0 and at most 86400.
        Raises Failed; BusError 404 or 410 for a request that is not there; Unreachable after the deadline; ValueError.
        """
        return await self._follow(checked_id(id), None, {}, checked_deadline(deadline), acknowledge)

    async def get(self, id: str) -> Union[Reply, State]:
        """The answer to a request, or how far it is. Raises Failed, and BusError 404 or 410 for one that is not there."""
        message = await self._inquire(b"GET", checked_id(id), {}, (b"STATE", b"REPLY", b"FAILURE"))
        if message.verb != b"STATE":
            return returned(message.terminal())
        header = message.header
        return State(
            id,
            header["state"],
            header["deliveries"],
            header["attempts"],
            header["age_ms"],
            header["remaining_ms"],
        )

    async def cancel(self, id: str) -> Union[Reply, Failed]:
        """Cancels a request, from any connection of the user; gives what it ended in: `cancelled`, unless it was over."""
        terminal = (await self._inquire(b"CANCEL", checked_id(id), {}, (b"REPLY", b"FAILURE"))).terminal()
        if isinstance(terminal, (Reply, Failed)):
            return terminal
        raise terminal

    async def ack(self, id: str) -> None:
        """Lets the broker forget an answer. BusError 405 when there is none yet."""
        await self._inquire(b"ACK", checked_id(id), {}, (b"OK",))

    # Tasks

    async def task_completed(self, task: str) -> None:
        """Reports that a task of the agent's ended well."""
        await self._inquire(b"TASK", checked_id(task), {"status": "completed"}, (b"OK",))

    async def task_failed(self, task: str, kind: str) -> None:
        """Reports that a task of the agent's failed; kind "llm" for want of an answer, else "application"."""
        await self._inquire(b"TASK", checked_id(task), {"status": "failed", "kind": kind}, (b"OK",))

    @contextlib.asynccontextmanager
    async def task(self, task: Optional[str] = None) -> AsyncIterator[str]:
        """Reports the end of a block as that of a task: `async with bus.task() as task: await bus.ask(..., task=task)`.

        A block that Failed ends was short of an answer; any other exception is the application's.
        """
        name = checked_id(new_id() if task is None else task)
        try:
            yield name
        except BaseException as error:
            # What ended the block matters more than a report that did not arrive.
            with contextlib.suppress(UnderstudyError):
                await self.task_failed(name, "llm" if isinstance(error, Failed) else "application")
            raise
        await self.task_completed(name)

    # The bus

    async def hello(self, name: str) -> Welcome:
        """What the broker says of itself."""
        header = (await self._inquire(b"HELLO", "", {"client": name}, (b"WELCOME",))).header
        return Welcome(header["epoch"], header["dedup_ms"], tuple(header["durabilities"]))

    async def ping(self) -> float:
        """Seconds until the broker's PONG."""
        start = time.monotonic()
        await self._inquire(b"PING", new_id(), {}, (b"PONG",))
        return time.monotonic() - start

    async def system(self, name: str) -> Any:
        """What the broker tells of itself: "health", "workers" or "requests" (of this user). BusError 404 for another."""
        message = await self._inquire(b"GET", checked_id(f"sys.{name}"), {}, (b"STATE",))
        return decoded_system(message)

    # Conversations

    async def _follow(
        self, id: str, payload: Optional[bytes], header: Mapping[str, Any], deadline: float, acknowledge: bool
    ) -> Reply:
        self._opened()
        if self._core.has_request(id):
            raise ValueError(f"a request with the id {id} is under way in this client already")
        if self._core.open_requests >= self._open_requests_max:
            raise ValueError(f"{self._open_requests_max} requests are under way, the most this client may have")
        future, resolve = self._promise()
        now = time.monotonic()
        exchange = Exchange(id, payload, header, deadline, self._timing, now, resolve)
        self._core.start_exchange(exchange, now)
        self._arm()
        try:
            result = await future
        except asyncio.CancelledError:
            self._core.cancel(exchange, time.monotonic())
            self._arm()
            raise
        if acknowledge and isinstance(result, (Reply, Failed)):
            self.acknowledge_soon(id)
        if isinstance(result, Message):
            raise UnderstudyError(f"the broker answered with {result.verb!r}")
        return returned(result)

    def acknowledge_soon(self, id: str) -> None:
        """Sends an ACK and does not wait for its OK: one that is lost is no harm, the broker forgets after the ttl."""
        if self._is_closed:
            return
        now = time.monotonic()
        self._core.start_inquiry(Inquiry(Outgoing(b"ACK", id), (b"OK",), self._timing, now, lambda _: None), now)
        self._arm()

    async def _inquire(self, verb: bytes, id: str, header: Mapping[str, Any], expected: tuple[bytes, ...]) -> Message:
        self._opened()
        future, resolve = self._promise()
        now = time.monotonic()
        inquiry = Inquiry(Outgoing(verb, id, encoded_header(header)), expected, self._timing, now, resolve)
        self._core.start_inquiry(inquiry, now)
        self._arm()
        try:
            result = await future
        finally:
            # Cancelled, it takes its answer all the same, so that the next one does not.
            inquiry.leave()
        if isinstance(result, Message):
            return result
        raise result if isinstance(result, UnderstudyError) else UnderstudyError(f"an unexpected answer to {verb!r}")

    def _promise(self) -> tuple[asyncio.Future[Result], Callable[[Result], None]]:
        assert self._loop is not None
        future: asyncio.Future[Result] = self._loop.create_future()

        def resolve(result: Result) -> None:
            if not future.done():
                future.set_result(self._explained(result))

        return future, resolve

    def _explained(self, result: Result) -> Result:
        """With the reason, where it may be that no broker is there."""
        if not isinstance(result, Unreachable):
            return result
        now = time.monotonic()
        if now > self._reachability[0] + 0.1:
            # One look for all that give up at once.
            self._reachability = (now, self._reason())
        return Unreachable(f"{result}: {self._reachability[1]}")

    def _reason(self) -> str:
        try:
            if self._is_fallback:
                checked_directory(self._directory)
        except Unreachable as error:
            return str(error)
        return reachability(self.path)

    # The socket

    def _opened(self) -> None:
        """Opens the socket on first use, and checks that the client may be used."""
        if self._is_closed:
            raise Closed("the client was closed")
        loop = asyncio.get_running_loop()
        if self._is_fallback:
            checked_directory(self._directory)
        if self._socket is not None:
            if loop is not self._loop:
                raise RuntimeError("an AsyncClient belongs to the event loop in which it was used first")
            return
        self._loop = loop
        socket = (self._context or zmq.Context.instance()).socket(zmq.DEALER)
        # No ZeroMQ heartbeats: libzmq 4.3.4 can abort the process with them.
        socket.linger = 0
        # Queue nothing for a broker that is not there.
        socket.immediate = 1
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 1000
        # Bounded by the requests that are let in.
        socket.sndhwm = 0
        socket.rcvhwm = 0
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        for source in (socket, self._monitor):
            loop.add_reader(descriptor(source), self._pump)
        self._connect()
        self._pump_soon()

    def _is_trusted(self) -> bool:
        """Whether a connection may be made and used: nobody else can take a directory of ours in /tmp away, but we can."""
        try:
            return not self._is_fallback or checked_directory(self._directory)
        except Unreachable:
            return False

    def _connect(self) -> None:
        if self._is_closed or self._socket is None or self._loop is None:
            return
        if self._is_trusted():
            self._socket.connect(f"ipc://{self.path}")
        else:
            self._loop.call_later(LOOK_EVERY, self._connect)

    def _shut(self) -> None:
        self._is_closed = True
        self._core.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is None or self._loop is None or self._monitor is None:
            return
        for source in (self._socket, self._monitor):
            self._loop.remove_reader(descriptor(source))
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    def _send(self, frames: list[bytes]) -> bool:
        assert self._socket is not None
        # Sending may take the notice of what came: the descriptor tells of changes only.
        self._pump_soon()
        if not self._core.is_connected:
            return False
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _pump_soon(self) -> None:
        if not self._is_pump_due and self._loop is not None:
            self._is_pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Takes in what came until there is nothing left, or others must have their turn."""
        self._is_pump_due = False
        if self._is_closed or self._socket is None or self._monitor is None:
            return
        # Messages first: they were sent before their connection broke.
        for turn in range(TURN_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._core.receive(frames, time.monotonic())
        else:
            self._pump_soon()
        while True:
            try:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))["event"]
            except zmq.Again:
                break
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                if not self._is_trusted():
                    # Without a connection nothing is sent; who calls is told why.
                    continue
                # Asking makes the socket take notice of its new peer.
                self._socket.getsockopt(zmq.EVENTS)
                self._core.connected(time.monotonic())
            else:
                self._core.disconnected(time.monotonic())
        self._arm()

    def _arm(self) -> None:
        """Sets the timer for what is due next."""
        due = self._core.due
        if self._timer is not None:
            if due is not None and due == self._timer_at:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self._loop is not None and not self._is_closed:
            self._timer_at = due
            self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._core.tick(time.monotonic())
        self._arm()


def descriptor(socket: zmq.Socket[bytes]) -> int:
    """What tells that the socket is to be looked at."""
    return int(socket.getsockopt(zmq.FD))


def question(text: str, model: Optional[str]) -> dict[str, Any]:
    """The body of a request that asks one question."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    if model is not None:
        body["model"] = model
    return body


def request_header(
    *,
    priority: Optional[int],
    durability: Optional[str],
    on_loss: Optional[str],
    task: Optional[str],
    ttl: Optional[float],
    cancel_on_disconnect: bool,
) -> dict[str, Any]:
    """The header of a request without its deadline; what was not said is left out."""
    options: dict[str, Any] = {
        "priority": priority,
        "durability": durability,
        "on_loss": on_loss,
        "task": task,
        "ttl_ms": None if ttl is None else round(ttl * 1000),
        "cancel_on_disconnect": cancel_on_disconnect or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def decoded_system(message: Message) -> Any:
    """The document of a `sys.` read."""
    try:
        return json.loads(message.body)
    except ValueError as error:
        raise UnderstudyError(f"what the broker tells of itself is no JSON: {error}") from error


def returned(result: Union[Reply, UnderstudyError]) -> Reply:
    """A reply; anything else is raised."""
    if isinstance(result, Reply):
        return result
    raise result
