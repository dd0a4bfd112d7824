"""The system's clock over virtual time, which can be set as an operator or a suspended machine sets it."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime

import anyio

from turnkeeper_trio import SystemClock, VirtualClock

START = datetime(2024, 1, 1, tzinfo=UTC)
"""What it shows at first: a Monday."""


class SteppingClock:
    """It waits as `SystemClock` does, which is not told of a step either; the time of the event loop does not step."""

    def __init__(self) -> None:
        self._start = round(START.timestamp()) * 1_000_000
        self.sleeps: list[float] = []
        """How long it would have the event loop sleep at most, each time that it was asked, in seconds."""

    def step(self, seconds: float) -> None:
        """Set the wall clock forward (or back). Nobody is told."""
        self._start += round(seconds * 1e6)

    def loop(self) -> int:
        return VirtualClock().loop()

    def wall(self) -> int:
        return self._start + self.loop()

    def deadline(self, wall: int, /) -> float:
        deadline = SystemClock.deadline(self, wall)  # type: ignore[arg-type]  # it asks for `wall` and `loop` only
        self.sleeps.append(deadline - anyio.current_time())
        return deadline

    def hold(self) -> AbstractContextManager[object]:
        return VirtualClock().hold()
