"""Schedules that depend on a seed alone, and the options of loops in virtual time."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal

import trio.testing

from turnkeeper_trio.testing._loop import VirtualEventLoop

__all__ = ["Backend", "seeded_schedule", "virtual_options"]

Backend = Literal["trio", "asyncio"]


@contextmanager
def seeded_schedule(seed: object) -> Generator[None]:
    """Make trio's schedules inside the block depend on ``seed`` alone.

    In every turn trio shuffles the tasks that are ready. The same seed gives the same shuffles, another seed
    gives others, both all permitted. asyncio has one schedule, first in, first out.
    """
    inside = import_module("trio._core._run").__dict__  # the switch and the source are not public
    deterministic, chance = inside["_ALLOW_DETERMINISTIC_SCHEDULING"], inside["_r"].getstate()
    inside["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    inside["_r"].seed(repr(seed))
    try:
        yield
    finally:
        inside["_ALLOW_DETERMINISTIC_SCHEDULING"] = deterministic
        inside["_r"].setstate(chance)


def virtual_options(backend: Backend) -> dict[str, Any]:
    """Return the options with which anyio runs the back end in virtual time; they are good for one run."""
    if backend == "trio":
        return {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return {"loop_factory": VirtualEventLoop, "debug": False}
