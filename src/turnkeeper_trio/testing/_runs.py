"""Runs of an async function in virtual time, each like the last with the same seed."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, TypeVar, TypeVarTuple

import anyio
import trio.testing

from turnkeeper_trio.testing._loop import VirtualEventLoop

__all__ = ["Backend", "run", "seeded_schedule"]

Backend = Literal["trio", "asyncio"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


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


def run(async_fn: Callable[[*_Ts], Awaitable[_T]], *args: *_Ts, backend: Backend = "trio", seed: object = 0) -> _T:
    """Run ``async_fn(*args)`` on a fresh event loop in virtual time, which begins at 0.

    Args:
        async_fn: The function to run.
        *args: Its arguments.
        backend: The kind of event loop.
        seed: Which of trio's schedules to take; asyncio has but one.
    """
    with seeded_schedule(seed):
        return anyio.run(async_fn, *args, backend=backend, backend_options=virtual_options(backend))


def virtual_options(backend: Backend) -> dict[str, Any]:
    """Return the options with which anyio runs the back end in virtual time; they are good for one run."""
    if backend == "trio":
        return {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return {"loop_factory": VirtualEventLoop, "debug": False}
