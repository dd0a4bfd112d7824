"""Event loops that are born in virtual time, whoever starts them."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import trio
import trio.testing

from turnkeeper_trio.testing._grounds import virtual_loop
from turnkeeper_trio.testing._loop import VirtualEventLoop

__all__ = ["born_virtual"]


@contextmanager
def born_virtual(born: Callable[[object], object]) -> Generator[None]:
    """Have ``trio.run``, ``asyncio.run``, ``anyio.run`` and the plugins of pytest start loops in virtual time.

    What asks for a clock or a loop factory of its own gets it. ``born`` is told of each loop in virtual time.
    """
    run, start_guest_run = trio.run, trio.lowlevel.start_guest_run

    def with_clock(options: dict[str, Any]) -> dict[str, Any]:
        clock = options.get("clock")
        if clock is None:
            clock = options["clock"] = trio.testing.MockClock(autojump_threshold=0)
        if virtual_loop(clock) is not None:
            born(clock)
        return options

    def run_virtually(*args: Any, **options: Any) -> Any:
        return run(*args, **with_clock(options))

    def start_virtually(*args: Any, **options: Any) -> Any:
        return start_guest_run(*args, **with_clock(options))

    def new_event_loop() -> asyncio.AbstractEventLoop:
        loop = VirtualEventLoop()
        born(loop)
        return loop

    changes: list[tuple[Any, str, Any]] = [
        (trio, "run", run_virtually),
        (trio.lowlevel, "start_guest_run", start_virtually),
        (asyncio, "new_event_loop", new_event_loop),
        (asyncio.events, "new_event_loop", new_event_loop),
    ]
    before = [(where, name, getattr(where, name)) for where, name, _ in changes]
    for where, name, value in changes:
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
