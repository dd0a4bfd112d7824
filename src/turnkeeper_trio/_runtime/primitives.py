"""A checkpoint and events, as the running event loop has them.

``anyio.Event()`` and ``anyio.lowlevel.checkpoint()`` find out at each call which event loop runs. A job needs three of
them, and to find out costs as much as they do. So the parts that live in one event loop look once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

import trio

from turnkeeper_trio._runtime.clock import in_trio


class Event(Protocol):
    """Something to wait for, once: `asyncio.Event` and `trio.Event` are alike as far as this goes."""

    def set(self) -> None:
        """Wake whoever waits."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Primitives(NamedTuple):
    """What a task of one event loop waits by."""

    checkpoint: Callable[[], Awaitable[object]]
    """Lets other tasks run, and raises a cancellation that has been asked for."""

    event: Callable[[], Event]
    """Makes an event."""


_ASYNCIO: Final = Primitives(partial(asyncio.sleep, 0), asyncio.Event)
_TRIO: Final = Primitives(trio.lowlevel.checkpoint, trio.Event)


def primitives() -> Primitives:
    """Return those of the running event loop."""
    return _TRIO if in_trio() else _ASYNCIO
