"""The two kinds of event loop, as a pace sees them."""

from collections.abc import Callable
from typing import final

import trio
import trio.testing

from turnkeeper_trio.testing._loop import VirtualEventLoop
from turnkeeper_trio.testing._pace import MOMENT, Pace

Loop = VirtualEventLoop | trio.testing.MockClock
"""What a loop in virtual time is known by."""


@final
class TrioGround:
    """A run of trio with a mock clock.

    A `MockClock` jumps by itself as soon as everything waits. trio has no public way to ask somebody first (its issue
    1587), so the clock's own method for it is replaced, on this one clock.
    """

    def __init__(self, clock: trio.testing.MockClock) -> None:
        """Take over a clock."""
        self._clock = clock
        self._pace: Pace | None = None
        self.time: Callable[[], float] = clock.current_time
        """The loop's time."""

    def follow(self, pace: Pace) -> None:
        """Ask this pace from now on."""
        self._pace = pace
        vars(self._clock)["_autojump"] = self._at_rest
        self._clock.autojump_threshold = 0

    def _at_rest(self) -> None:
        pace, clock = self._pace, self._clock
        assert pace is not None
        left = trio.lowlevel.current_statistics().seconds_to_next_deadline
        threshold = MOMENT if pace.at_rest(clock.current_time() + left) else 0
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
class AsyncioGround:
    """A virtual event loop of asyncio."""

    def __init__(self, loop: VirtualEventLoop) -> None:
        """Take over a loop."""
        self._loop = loop
        self.time: Callable[[], float] = loop.time
        """The loop's time."""

    def follow(self, pace: Pace) -> None:
        """Ask this pace from now on."""
        self._loop.pace = pace

    def jump_to(self, instant: float) -> None:
        """Make it ``instant``."""
        self._loop.jump(instant)

    def next_timer(self) -> float:
        """Return when the next timer fires; infinity if there is none."""
        return self._loop.next_timer()

    def hurry(self) -> None:
        """Do nothing: whoever can say so has woken the loop."""


def ground_of(loop: Loop) -> TrioGround | AsyncioGround:
    """Return the ground of a loop."""
    return AsyncioGround(loop) if isinstance(loop, VirtualEventLoop) else TrioGround(loop)


def virtual_loop(loop: object) -> Loop | None:
    """Return a loop, if it is one in virtual time."""
    return loop if isinstance(loop, VirtualEventLoop | trio.testing.MockClock) else None
