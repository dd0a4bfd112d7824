"""Primitives: the checkpoint and the events of the running event loop.

``anyio.Event()`` and ``anyio.lowlevel.checkpoint()`` look up at each call which event loop runs. Each job needs three
of them, and the look-up costs as much as they do. So the parts that live in one event loop look it up once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

import trio

from turnkeeper_trio._runtime.clock import in_trio


class Event(Protocol):
    """What `asyncio.Event` and `trio.Event` have in common."""

    def set(self) -> None:
        """Wake the tasks that wait."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Primitives(NamedTuple):
    """The checkpoint and the events of one kind of event loop."""

    checkpoint: Callable[[], Awaitable[object]]
    """Lets other tasks run, and raises a cancellation that was requested."""

    event: Callable[[], Event]
    """Makes an event."""


_ASYNCIO: Final = Primitives(partial(asyncio.sleep, 0), asyncio.Event)
_TRIO: Final = Primitives(trio.lowlevel.checkpoint, trio.Event)


def primitives() -> Primitives:
    """Return the primitives of the running event loop."""
    return _TRIO if in_trio() else _ASYNCIO
