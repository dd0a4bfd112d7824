"""Event loops in virtual time, trio's and asyncio's: how they are made, and how their schedule depends on a seed."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, final

import trio
import trio.testing

from turnkeeper_trio.testing._asyncio_loop import VirtualEventLoop
from turnkeeper_trio.testing._virtual_time import MOMENT, TimeGate

__all__ = ["Backend", "born_virtual", "seeded_schedule", "virtual_options"]


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


Loop = VirtualEventLoop | trio.testing.MockClock
"""What a loop in virtual time is known by."""


@final
class TrioBackend:
    """A run of trio with a mock clock.

    A `MockClock` jumps by itself as soon as everything waits. trio has no public way to ask somebody first (its issue
    1587), so the clock's own method for it is replaced, on this one clock.
    """

    def __init__(self, clock: trio.testing.MockClock) -> None:
        """Take over a clock."""
        self._clock = clock
        self._gate: TimeGate | None = None
        self.time: Callable[[], float] = clock.current_time
        """The loop's time."""

    def follow(self, gate: TimeGate) -> None:
        """Ask this pace from now on."""
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
        """Make it ``instant``."""
        self._clock.jump(max(0.0, instant - self._clock.current_time()))

    def next_timer(self) -> float:
        """Return when the next timer fires; infinity if there is none. Only on the loop."""
        return self._clock.current_time() + trio.lowlevel.current_statistics().seconds_to_next_deadline

    def hurry(self) -> None:
        """Ask again soon."""
        self._clock.autojump_threshold = 0


@final
class AsyncioBackend:
    """A virtual event loop of asyncio."""

    def __init__(self, loop: VirtualEventLoop) -> None:
        """Take over a loop."""
        self._loop = loop
        self.time: Callable[[], float] = loop.time
        """The loop's time."""

    def follow(self, gate: TimeGate) -> None:
        """Ask this pace from now on."""
        self._loop.gate = gate

    def jump_to(self, instant: float) -> None:
        """Make it ``instant``."""
        self._loop.jump(instant)

    def next_timer(self) -> float:
        """Return when the next timer fires; infinity if there is none."""
        return self._loop.next_timer()

    def hurry(self) -> None:
        """Do nothing: whoever can say so has woken the loop."""


def backend_of(loop: Loop) -> TrioBackend | AsyncioBackend:
    """Return the ground of a loop."""
    return AsyncioBackend(loop) if isinstance(loop, VirtualEventLoop) else TrioBackend(loop)


def virtual_loop(loop: object) -> Loop | None:
    """Return a loop, if it is one in virtual time."""
    return loop if isinstance(loop, VirtualEventLoop | trio.testing.MockClock) else None
