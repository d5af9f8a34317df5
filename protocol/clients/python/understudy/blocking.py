"""The client that blocks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from types import TracebackType
from typing import Any, Coroutine, Iterator, Mapping, Optional, TypeVar, Union

import zmq

from ._values import Closed, Failed, Reply, State, UnderstudyError, Welcome, checked_id, new_id
from .aio import CLOSE_WAIT_MAX, AsyncClient, question

T = TypeVar("T")


class Pending:
    """A request under way. Any thread may use it."""

    def __init__(self, client: Client, id: str, future: concurrent.futures.Future[Reply], acknowledge: bool) -> None:
        #: The request's id, under which any process of the user can `get`, `cancel` or `attach` to it.
        self.id = id
        self._client = client
        self._future = future
        self._acknowledge = acknowledge

    def done(self) -> bool:
        """Whether `result` would give or raise something at once."""
        return self._future.done()

    def result(self, timeout: Optional[float] = None) -> Reply:
        """Waits for the answer, and acknowledges it. Raises as `Client.request`.

        timeout: seconds; then TimeoutError, and the request goes on.
        """
        try:
            reply = self._future.result(timeout)
        except concurrent.futures.TimeoutError:
            raise TimeoutError(f"no answer to request {self.id} within {timeout} s yet") from None
        except concurrent.futures.CancelledError:
            raise Closed(f"request {self.id} was cancelled here") from None
        except Failed:
            self._acknowledged()
            raise
        self._acknowledged()
        return reply

    def cancel(self) -> None:
        """Cancels the request at the broker and does not wait for it; `result` then raises Closed."""
        self._future.cancel()

    def _acknowledged(self) -> None:
        if self._acknowledge:
            self._acknowledge = False
            self._client._acknowledge_soon(self.id)


class Client:
    """A connection to the broker of a directory, as an attached agent, for any number of requests at once.

    Every method may be called from any thread; a thread of the client's own does the talking. A process that forks must
    make its clients after that.
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
        """Makes a client; parameters as of `AsyncClient`."""
        self._client = AsyncClient(
            directory,
            answer_timeout=answer_timeout,
            resend_every=resend_every,
            patience=patience,
            open_requests_max=open_requests_max,
            context=context,
        )
        self.path = self._client.path
        self._lock = threading.Lock()
        self._is_closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="understudy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Closes the connection. Requests go on, unless they said `cancel_on_disconnect`; who waits here gets Closed."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        closing = asyncio.run_coroutine_threadsafe(self._client.close(), self._loop)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            closing.result(2 * CLOSE_WAIT_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    # Requests

    def ask(self, text: str, *, model: Optional[str] = None, **options: Any) -> Reply:
        """Asks one question; `options` as in `request`."""
        return self.request(question(text, model), **options)

    def request(self, body: Mapping[str, Any], **options: Any) -> Reply:
        """Sends an OpenAI Chat Completions request and waits for its answer, which is acknowledged when it is here.

        Options and errors as of `AsyncClient.request`. An interrupted wait (Ctrl-C) cancels the request.
        """
        pending = self.submit(body, **options)
        return self._awaited(pending)

    def submit(self, body: Mapping[str, Any], *, id: Optional[str] = None, acknowledge: bool = True, **options: Any) -> Pending:
        """Sends a request and does not wait; as many at once as you like. Options as of `AsyncClient.request`."""
        name = checked_id(new_id() if id is None else id)
        future = self._start(self._client.request(body, id=name, acknowledge=False, **options))
        return Pending(self, name, future, acknowledge)

    def attach(self, id: str, *, timeout: float = 86_400.0, acknowledge: bool = True) -> Reply:
        """Waits for the answer to a request that another connection, process or program has sent.

        Raises Failed; BusError 404 or 410 for a request that is not there; TimeoutError. The request goes on in any case.
        """
        pending = Pending(self, id, self._start(self._client.attach(id, acknowledge=False)), acknowledge)
        return self._awaited(pending, timeout)

    def get(self, id: str) -> Union[Reply, State]:
        """The answer to a request, or how far it is. Raises Failed, and BusError 404 or 410 for one that is not there."""
        return self._run(self._client.get(id))

    def cancel(self, id: str) -> Union[Reply, Failed]:
        """Cancels a request, from any connection of the user; gives what it ended in: `cancelled`, unless it was over."""
        return self._run(self._client.cancel(id))

    def ack(self, id: str) -> None:
        """Lets the broker forget an answer. BusError 405 when there is none yet."""
        self._run(self._client.ack(id))

    # Tasks

    def task_completed(self, task: str) -> None:
        """Reports that a task of the agent's ended well."""
        self._run(self._client.task_completed(task))

    def task_failed(self, task: str, kind: str) -> None:
        """Reports that a task of the agent's failed; kind "llm" for want of an answer, else "application"."""
        self._run(self._client.task_failed(task, kind))

    @contextlib.contextmanager
    def task(self, task: Optional[str] = None) -> Iterator[str]:
        """Reports the end of a block as that of a task: `with bus.task() as task: bus.ask(..., task=task)`.

        A block that Failed ends was short of an answer; any other exception is the application's.
        """
        name = checked_id(new_id() if task is None else task)
        try:
            yield name
        except BaseException as error:
            # What ended the block matters more than a report that did not arrive.
            with contextlib.suppress(UnderstudyError):
                self.task_failed(name, "llm" if isinstance(error, Failed) else "application")
            raise
        self.task_completed(name)

    # The bus

    def hello(self, name: str) -> Welcome:
        """What the broker says of itself."""
        return self._run(self._client.hello(name))

    def ping(self) -> float:
        """Seconds until the broker's PONG."""
        return self._run(self._client.ping())

    def system(self, name: str) -> Any:
        """What the broker tells of itself: "health", "workers" or "requests" (of this user). BusError 404 for another."""
        return self._run(self._client.system(name))

    # The thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            # What was cancelled just now ends before its loop does.
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        finally:
            self._loop.close()

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if not self._is_closed:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise Closed("the client was closed")

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._start(coroutine).result()

    def _awaited(self, pending: Pending, timeout: Optional[float] = None) -> Reply:
        try:
            return pending.result(timeout)
        except BaseException:
            # Nothing happens to one that is over.
            pending.cancel()
            raise

    def _acknowledge_soon(self, id: str) -> None:
        with self._lock:
            if not self._is_closed:
                self._loop.call_soon_threadsafe(self._client.acknowledge_soon, id)
