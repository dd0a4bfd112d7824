"""Event loops in virtual time, of trio and of asyncio: how they are made, seeded, and driven by a `TimeGate`."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, final

import trio
import trio.testing

from turnkeeper_trio.testing._asyncio_loop import VirtualEventLoop
from turnkeeper_trio.testing._virtual_time import MOMENT, TimeGate

__all__ = ["Backend", "seeded_schedule", "virtual_by_default", "virtual_options"]


Backend = Literal["trio", "asyncio"]


@contextmanager
def seeded_schedule(seed: object) -> Generator[None]:
    """Make the order in which trio runs tasks, inside the ``with`` block, depend on ``seed`` only.

    In each turn trio shuffles the tasks that are ready. A seed always gives the same shuffles, and different seeds give
    different ones; all of them are orders in which trio may run the tasks. asyncio has only one order: first in, first
    out.
    """
    inside = import_module("trio._core._run").__dict__  # the switch and the source of chance are not public
    deterministic, chance = inside["_ALLOW_DETERMINISTIC_SCHEDULING"], inside["_r"].getstate()
    inside["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    inside["_r"].seed(repr(seed))
    try:
        yield
    finally:
        inside["_ALLOW_DETERMINISTIC_SCHEDULING"] = deterministic
        inside["_r"].setstate(chance)


def virtual_options(backend: Backend) -> dict[str, Any]:
    """Return the options with which ``anyio.run`` runs a back end in virtual time, once."""
    if backend == "trio":
        return {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return {"loop_factory": VirtualEventLoop, "debug": False}


@contextmanager
def virtual_by_default(started: Callable[[object], object]) -> Generator[None]:
    """Make ``trio.run``, ``asyncio.run``, ``anyio.run`` and plugins of pytest start loops in virtual time.

    This holds inside the ``with`` block. A caller that passes its own clock or loop factory gets that. ``started`` is
    called with each loop in virtual time: an asyncio event loop, or the clock of a run of trio.
    """
    run, start_guest_run = trio.run, trio.lowlevel.start_guest_run

    def with_clock(options: dict[str, Any]) -> dict[str, Any]:
        clock = options.get("clock")
        if clock is None:
            clock = options["clock"] = trio.testing.MockClock(autojump_threshold=0)
        if virtual_loop(clock) is not None:
            started(clock)
        return options

    def run_virtually(*args: Any, **options: Any) -> Any:
        return run(*args, **with_clock(options))

    def start_virtually(*args: Any, **options: Any) -> Any:
        return start_guest_run(*args, **with_clock(options))

    def new_event_loop() -> asyncio.AbstractEventLoop:
        loop = VirtualEventLoop()
        started(loop)
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


Loop = VirtualEventLoop | trio.testing.MockClock
"""What a loop in virtual time is known by."""


@final
class TrioBackend:
    """A run of trio with a mock clock.

    A `MockClock` jumps by itself as soon as everything waits. trio has no public way to decide about the jump first
    (its issue 1587), so the method with which the clock does it is replaced, on this one clock.
    """

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock
        self._gate: TimeGate | None = None
        self.time: Callable[[], float] = clock.current_time
        """Returns the loop's time, in seconds."""

    def follow(self, gate: TimeGate) -> None:
        """Ask this gate from now on, each time there is nothing to do."""
        self._gate = gate
        vars(self._clock)["_autojump"] = self._at_rest
        self._clock.autojump_threshold = 0

    def _at_rest(self) -> None:
        gate, clock = self._gate, self._clock
        assert gate is not None
        left = trio.lowlevel.current_statistics().seconds_to_next_deadline
        threshold = MOMENT if gate.at_rest(clock.current_time() + left) else 0
        if clock.autojump_threshold != threshold:
            clock.autojump_threshold = threshold

    def jump_to(self, instant: float) -> None:
        """Set the loop's time forward to ``instant``."""
        self._clock.jump(max(0.0, instant - self._clock.current_time()))

    def next_timer(self) -> float:
        """Return the loop time at which the next timer fires; infinity if there is none. Call it in the run of trio."""
        return self._clock.current_time() + trio.lowlevel.current_statistics().seconds_to_next_deadline

    def hurry(self) -> None:
        """Ask the gate again soon."""
        self._clock.autojump_threshold = 0


@final
class AsyncioBackend:
    """A run of asyncio on a `VirtualEventLoop`."""

    def __init__(self, loop: VirtualEventLoop) -> None:
        self._loop = loop
        self.time: Callable[[], float] = loop.time
        """Returns the loop's time, in seconds."""

    def follow(self, gate: TimeGate) -> None:
        """Ask this gate from now on, each time there is nothing to do."""
        self._loop.gate = gate

    def jump_to(self, instant: float) -> None:
        """Set the loop's time forward to ``instant``."""
        self._loop.jump(instant)

    def next_timer(self) -> float:
        """Return the loop time at which the next timer fires; infinity if there is none."""
        return self._loop.next_timer()

    def hurry(self) -> None:
        """Do nothing, because what ends a hold runs on the loop and so has woken it."""


def backend_of(loop: Loop) -> TrioBackend | AsyncioBackend:
    """Return the back end of a loop."""
    return AsyncioBackend(loop) if isinstance(loop, VirtualEventLoop) else TrioBackend(loop)


def virtual_loop(loop: object) -> Loop | None:
    """Return ``loop`` if it is a loop in virtual time, else ``None``. A run of trio is known by its clock."""
    return loop if isinstance(loop, VirtualEventLoop | trio.testing.MockClock) else None
