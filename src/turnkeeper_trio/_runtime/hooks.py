"""What a test harness may attach to an event loop in virtual time, and what `open_scheduler` asks it for.

The loop decides the clock: a program that opens its own scheduler, and knows of no harness, is found by the one of the
loop it runs on. Nothing is attached outside of tests, and then every question has the plain answer.
"""

import asyncio
import random
from typing import Final

import trio

from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio.abc import Clock, Store


class TestHooks:
    """What a scheduler is given by the harness of its loop; this one gives nothing."""

    def clock(self) -> Clock | None:
        """Return the clock of a scheduler that was told none."""
        return None

    def rng(self) -> random.Random:
        """Return the source of chance of a scheduler that was told none."""
        return random.Random()  # noqa: S311  (for jitter)

    def observers(self, observers: tuple[object, ...]) -> tuple[object, ...]:
        """Return the observers to tell instead of those given."""
        return observers

    def store(self, store: Store | None) -> Store | None:
        """Return the store to use instead of the one given."""
        return store

    def function(self, name: str, function: Function) -> Function:
        """Return the function to call, for an attempt of the job with this name, instead of the job's own."""
        del name
        return function

    def opened(self, scheduler: object) -> None:
        """A scheduler is about to open."""


_NONE: Final = TestHooks()


# It stands on the loop itself: a table beside would keep both alive, for each knows the other.
_PLACE: Final = "turnkeeper_trio_harness"


def attach(loop: object, hooks: TestHooks) -> None:
    """Attach a harness to a loop: to an asyncio event loop, or to the clock of a run of trio."""
    setattr(loop, _PLACE, hooks)


def attached(loop: object | None = None) -> TestHooks:
    """Return the harness of a loop, of the running one if none is given."""
    hooks: TestHooks = getattr(loop or running_loop(), _PLACE, _NONE)
    return hooks


def running_loop() -> object:
    """Return what the running event loop is known by: the loop itself, or the clock of the run of trio."""
    return trio.lowlevel.current_clock() if trio.lowlevel.in_trio_run() else asyncio.get_running_loop()
