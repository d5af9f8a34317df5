"""Clients of Understudy for Python 3.9 or newer with pyzmq: `Client` blocks, `AsyncClient` is for asyncio.

    with Client() as bus:
        reply = bus.ask("What is a lease?", task="task-17")
        print(reply.text, reply.resolved_model, reply.attempts)

    async with AsyncClient() as bus:
        replies = await asyncio.gather(*(bus.ask(text) for text in texts))

Both have any number of requests under way over one connection, and both do what a careful agent does. A request is sent
again with the same id until the broker said ACCEPTED, and asked for with GET from then on; the same id is the same
request, so that neither makes a second call. When the broker was started again, what it had not accepted is sent again,
what it had is asked for, and sent again only if it no longer knows it. An answer is acknowledged after the caller has it.
"""

from ._values import (
    BODY_BYTES_MAX,
    HEADER_BYTES_MAX,
    BusError,
    Closed,
    Failed,
    Lost,
    Rejected,
    Reply,
    State,
    UnderstudyError,
    Unreachable,
    Welcome,
    default_directory,
    new_id,
)
from .aio import AsyncClient
from .blocking import Client, Pending

__all__ = [
    "BODY_BYTES_MAX",
    "HEADER_BYTES_MAX",
    "AsyncClient",
    "BusError",
    "Client",
    "Closed",
    "Failed",
    "Lost",
    "Pending",
    "Rejected",
    "Reply",
    "State",
    "UnderstudyError",
    "Unreachable",
    "Welcome",
    "default_directory",
    "new_id",
]
