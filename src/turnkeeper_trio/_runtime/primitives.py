"""Primitives: the checkpoint and the events by which the tasks of the runtime wait.

``anyio.Event()`` and ``anyio.lowlevel.checkpoint()`` look up at each call which event loop runs. Each job needs three
of them, and the look-up costs as much as they do. So the parts that live in one event loop look it up once.

``asyncio.run`` answers a Ctrl-C by cancelling the main task, between any two lines of Python that run just then; so may
any other handler of a signal. ``asyncio.Event.set`` looks whether a task still waits, and wakes it after that. A signal
between these two makes it raise in the task that sets the event, which is mostly the coordinator, and the other tasks
that wait are not woken. So an event for which one task waits is set by `set_event`, and an event for which several wait
is a `SharedEvent`.
"""

from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import NamedTuple, Protocol, final

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._runtime.loops import asyncio, in_trio, trio


class Event(Protocol):
    """What `anyio.Event`, `asyncio.Event` and `trio.Event` have in common."""

    def set(self) -> object:
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


@coroutine
def _yield_once() -> Generator[None]:
    """Wait for the next turn of asyncio's event loop, as ``asyncio.sleep(0)`` does after two more calls."""
    yield


def primitives() -> Primitives:
    """Return the primitives of the running event loop."""
    if in_trio():
        return Primitives(trio.lowlevel.checkpoint, trio.Event)
    return Primitives(_yield_once, asyncio.Event)


def set_event(event: Event) -> None:
    """Set an event that one task waits for. A task that is cancelled in this very step is woken by that."""
    try:
        event.set()
    except asyncio.InvalidStateError:
        return


@final
class SharedEvent:
    """An event for which several tasks wait."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: dict[Event, None] = {}

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake the tasks that wait. Twice is fine."""
        self._is_set = True
        for event in tuple(self._waiting):
            set_event(event)

    async def wait(self) -> None:
        """Wait until it is set. Always a checkpoint."""
        if self._is_set:
            await checkpoint()
            return
        event = anyio.Event()
        self._waiting[event] = None
        try:
            await event.wait()
        finally:
            del self._waiting[event]
