"""What has come about, and telling those who wait for it, whatever strikes meanwhile.

``asyncio.run`` answers a Ctrl-C by cancelling the main task, between any two lines of Python that run just then; so may
any other handler of a signal. ``asyncio.Event.set`` looks whether somebody still waits, and tells them after that:
struck between, it raises in whoever sets it, which is the coordinator mostly, and those who stand behind are not told.
"""

import asyncio
from typing import final

import anyio
from anyio.lowlevel import checkpoint


def tell(event: anyio.Event) -> None:
    """Set an event that one task waits for. A task that is cancelled in this very step is told by that."""
    try:
        event.set()
    except asyncio.InvalidStateError:
        return


@final
class Moment:
    """An event that several tasks wait for, each by one of its own."""

    def __init__(self) -> None:
        """Make one that has not come."""
        self._come = False
        self._waiting: dict[anyio.Event, None] = {}

    def is_set(self) -> bool:
        """Return whether it has come."""
        return self._come

    def set(self) -> None:
        """It has come. Twice is fine."""
        self._come = True
        for event in tuple(self._waiting):
            tell(event)

    async def wait(self) -> None:
        """Wait until it comes. Always a checkpoint."""
        if self._come:
            await checkpoint()
            return
        event = anyio.Event()
        self._waiting[event] = None
        try:
            await event.wait()
        finally:
            del self._waiting[event]
