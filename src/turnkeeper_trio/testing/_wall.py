"""The wall clock of a test: tied to the virtual time of the loop, and it can be set."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import final

from turnkeeper_trio._model.instants import MICROSECONDS
from turnkeeper_trio.testing._pace import Pace


@final
class Wall:
    """A `Clock` for the schedulers of one event loop."""

    def __init__(self, start: int, time: Callable[[], float], pace: Pace) -> None:
        """Show ``start`` now; ``time`` is the loop's."""
        self._time = time
        self._pace = pace
        self._zero = start - round(time() * MICROSECONDS)

    def wall(self) -> int:
        """Return the wall time in microseconds since 1970-01-01 00:00 UTC."""
        return self._zero + round(self._time() * MICROSECONDS)

    def loop(self) -> int:
        """Return the event loop's time in microseconds."""
        return round(self._time() * MICROSECONDS)

    def deadline(self, wall: int, /) -> float:
        """Return the loop time at which the wall time is ``wall``."""
        return (wall - self._zero) / MICROSECONDS

    def hold(self) -> AbstractContextManager[None]:
        """Let time stand still inside."""
        return self._pace.hold()

    def step(self, us: int) -> None:
        """Set the clock forward, or back."""
        self._zero += us
