"""Hooks for tests: what a test harness attaches to an event loop, and what `open_scheduler` asks it for.

The harness is attached to the event loop, so it also reaches a scheduler that the tested program opens itself without
knowing of the harness. Outside of tests nothing is attached, and each hook returns the ordinary value.
"""

import random
from typing import Final

from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.loops import asyncio, in_trio, trio
from turnkeeper_trio.abc import Clock, Store


class TestHooks:
    """What the harness of a loop gives to a scheduler. This class changes nothing; a harness inherits from it."""

    def clock(self) -> Clock | None:
        """Return the clock of a scheduler that is opened without one; ``None`` for the ordinary choice."""
        return None

    def rng(self) -> random.Random:
        """Return the source of chance of a scheduler that is opened without one."""
        return random.Random()  # noqa: S311  (for jitter)

    def observers(self, observers: tuple[object, ...]) -> tuple[object, ...]:
        """Return the observers to use instead of those given."""
        return observers

    def store(self, store: Store | None) -> Store | None:
        """Return the store to use instead of the one given."""
        return store

    def function(self, name: str, function: Function) -> Function:
        """Return the function to call instead of the given one, for an attempt of the job with this name."""
        del name
        return function

    def opened(self, scheduler: object) -> None:
        """Note that a scheduler is about to open."""


_NONE: Final = TestHooks()
"""The hooks of a loop without a harness."""


# The harness is an attribute of the loop. A table of loops would keep both alive, because each refers to the other.
_ATTRIBUTE: Final = "turnkeeper_trio_harness"


def attach(loop: object, hooks: TestHooks) -> None:
    """Attach a harness to a loop: to an asyncio event loop, or to the clock of a run of trio."""
    setattr(loop, _ATTRIBUTE, hooks)


def attached(loop: object | None = None) -> TestHooks:
    """Return the harness of a loop; of the running loop if none is given."""
    hooks: TestHooks = getattr(loop or running_loop(), _ATTRIBUTE, _NONE)
    return hooks


def running_loop() -> object:
    """Return the object that a harness is attached to: the asyncio event loop, or the clock of the run of trio."""
    return trio.lowlevel.current_clock() if in_trio() else asyncio.get_running_loop()
