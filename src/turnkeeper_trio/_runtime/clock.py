"""The clocks: the only module that reads the time.

There are two kinds of time. The wall time says when an instant of a schedule has come, and it may step. The loop's time
never steps, and a task can sleep by nothing else. Therefore `SystemClock` never sleeps long before it reads the wall
time again. In virtual time the two are tied to each other, and a sleep may have any length.
"""

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, Final, cast, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MICROSECONDS, Now
from turnkeeper_trio._runtime.loops import asyncio, in_trio, trio
from turnkeeper_trio.abc import Clock
from turnkeeper_trio.errors import ConfigurationError

LONGEST_SLEEP: Final = 10.0
"""Seconds after which `SystemClock` reads the wall time again: it may have been set, or the machine may have slept."""

VIRTUAL_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""The default for the wall time of a `VirtualClock` at the virtual time 0 of its loop."""


def loop_us() -> int:
    """Return the time of the running event loop, in microseconds."""
    return round(loop_time()() * MICROSECONDS)


def loop_time() -> Callable[[], float]:
    """Return a function that returns the time of the running event loop in seconds, and that any thread may call."""
    if in_trio():
        return trio.lowlevel.current_clock().current_time
    loop = asyncio.get_running_loop()
    # The loops of asyncio itself read the monotonic clock, too, unless a subclass has its own `time`.
    plain = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
    return time.monotonic if plain or _is_coarse(loop) else loop.time


def _is_coarse(loop: "asyncio.AbstractEventLoop") -> bool:
    """Return whether the time of an event loop is the monotonic clock, but read rarely and rounded down.

    The time of uvloop is in whole milliseconds, and stands still while callbacks run: a timeout that is measured by it
    ends too early. Such a loop accepts a deadline of the monotonic clock, because its own time is never ahead of it.
    """
    return not isinstance(loop, asyncio.BaseEventLoop) and 0 <= time.monotonic() - loop.time() < 1


@final
class SystemClock:
    """The machine's wall clock."""

    def wall(self) -> int:
        """Return the wall time in microseconds since 1970-01-01 00:00 UTC."""
        return time.time_ns() // 1000

    def loop(self) -> int:
        """Return the event loop's time in microseconds."""
        return loop_us()

    def deadline(self, wall: int, /) -> float:
        """Return the loop time at which to read the clock again: when ``wall`` comes, or after `LONGEST_SLEEP`."""
        return loop_time()() + _until(wall, self.wall())

    def hold(self) -> AbstractContextManager[None]:
        """Do nothing: real time cannot be held."""
        return nullcontext()


def _until(due: int, now: int) -> float:
    """Return how many seconds to sleep from the wall time ``now`` until ``due``: from 0 up to `LONGEST_SLEEP`."""
    return min(max((due - now) / MICROSECONDS, 0.0), LONGEST_SLEEP)


@final
class VirtualClock:
    """A wall clock tied to the virtual time of the event loop: it shows ``start`` when the loop's time is 0."""

    def __init__(self, start: datetime = VIRTUAL_START) -> None:
        """Tie the wall clock to the loop.

        Raises:
            ConfigurationError: ``start`` has no timezone.
        """
        self._start = _validation.instant("start", start)

    def wall(self) -> int:
        """Return the wall time in microseconds since 1970-01-01 00:00 UTC."""
        return self._start + loop_us()

    def loop(self) -> int:
        """Return the event loop's time in microseconds."""
        return loop_us()

    def deadline(self, wall: int, /) -> float:
        """Return the loop time at which the wall time is ``wall``."""
        due = wall - self._start
        deadline = due / MICROSECONDS
        # Centuries after the start a float no longer resolves a microsecond. Rounded down, the sleep would end before
        # the instant, again and again.
        while round(deadline * MICROSECONDS) < due:
            deadline = math.nextafter(deadline, math.inf)
        return deadline

    def hold(self) -> AbstractContextManager[object]:
        """Stop virtual time inside of the block, in which a thread works and the loop only looks idle.

        Real time goes on.
        """
        if not time_is_virtual():
            return nullcontext()
        if in_trio():
            from turnkeeper_trio._runtime import mock_clock  # noqa: PLC0415  (it imports trio's test kit)

            return mock_clock.hold(cast("Any", trio.lowlevel.current_clock()))
        hold: AbstractContextManager[object] = _virtual_loop().hold()
        return hold


def choose_clock(clock: Clock | None) -> Clock:
    """Return the given clock, or the one that fits the time of the running loop if none is given.

    Raises:
        ConfigurationError: a `SystemClock` was given, but the loop's time is virtual: a sleep of an hour would end at
            once, while the wall clock stands still. Or ``clock`` is no clock.
    """
    virtual = time_is_virtual()
    if clock is None:
        return VirtualClock() if virtual else SystemClock()
    if virtual and isinstance(clock, SystemClock):
        raise ConfigurationError(
            "clock is a SystemClock, but the time of this event loop is virtual; leave it out, or give a VirtualClock",
            parameter="clock",
        )
    return _validation.instance("clock", clock, Clock, "a SystemClock or a VirtualClock")  # type: ignore[type-abstract]  # a protocol


def time_is_virtual() -> bool:
    """Return whether the time of the running event loop is virtual."""
    if in_trio():
        # Without the module that defines the mock clock there is none. To import it here would slow every start.
        testing = sys.modules.get("trio.testing")
        return testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)
    return bool(getattr(asyncio.get_running_loop(), "is_virtual", False))


def _virtual_loop() -> Any:
    return asyncio.get_running_loop()


def read(clock: Clock) -> Now:
    """Read the wall time and the loop's time."""
    return Now(clock.wall(), clock.loop())


def _system_reader(loop_time: Callable[[], float]) -> Callable[[], Now]:
    """Return a function that reads the system's clock and the loop's time. Each job calls it several times."""
    wall_ns = time.time_ns

    def read() -> Now:
        return Now(wall_ns() // 1000, round(loop_time() * MICROSECONDS))

    return read


@final
class BoundClock:
    """A clock together with the running event loop, which is looked up once.

    Each job reads the time three times, and a reading of `SystemClock` itself, which looks up the loop each time, takes
    five times as long.
    """

    __slots__ = ("_clock", "_coarse", "hold", "loop_time", "read")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.hold: Callable[[], AbstractContextManager[object]] = clock.hold
        self.loop_time: Callable[[], float] = loop_time()
        """Returns the loop's time in seconds, in any thread."""
        self.read: Callable[[], Now] = _system_reader(self.loop_time) if isinstance(clock, SystemClock) else self._now
        """Returns the wall time and the loop's time."""
        self._coarse = not in_trio() and _is_coarse(asyncio.get_running_loop())

    def deadline(self, due: int, now: Now) -> float:
        """Return the loop time at which to look again for what is due at the wall time ``due``."""
        if isinstance(self._clock, SystemClock):
            deadline = now.loop / MICROSECONDS + _until(due, now.wall)
            # A loop with a coarse clock rounds down: within the last millisecond it would wake again and again.
            return math.ceil(deadline * 1_000) / 1_000 if self._coarse else deadline
        at = self._clock.deadline(due)
        if not guard.is_a(at, (int, float)) or math.isnan(at):
            raise TypeError(f"clock.deadline() must return the loop's time in seconds, not {guard.shown(at)}")
        return at

    def _now(self) -> Now:
        wall, loop = self._clock.wall(), self._clock.loop()
        for name, at in (("wall", wall), ("loop", loop)):
            if not guard.is_a(at, int):
                raise TypeError(f"clock.{name}() must return microseconds, an integer, not {guard.shown(at)}")
        return Now(wall, loop)


set_public_path(SystemClock, VirtualClock)
