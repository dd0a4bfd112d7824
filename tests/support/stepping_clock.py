"""A wall clock over virtual time that can be set, as an operator or a suspended machine sets the system's."""

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

import anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
"""What it shows at first: a Monday."""


class SteppingClock:
    def __init__(self) -> None:
        self._start = round(START.timestamp()) * 1_000_000

    def step(self, seconds: float) -> None:
        """Set the wall clock forward (or back). Nobody is told."""
        self._start += round(seconds * 1e6)

    def loop(self) -> int:
        return round(anyio.current_time() * 1e6)

    def wall(self) -> int:
        return self._start + self.loop()

    def deadline(self, wall: int, /) -> float:
        """Look again in ten seconds, as one must where a step is not announced."""
        return anyio.current_time() + min(max((wall - self.wall()) / 1e6, 0.0), 10.0)

    def hold(self) -> AbstractContextManager[None]:
        return nullcontext()
