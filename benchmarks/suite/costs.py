"""What a piece of work costs: processor time, wall time and memory of this process; and whether all of it was done."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import psutil


@dataclass
class Cost:
    """Seconds."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Fill in what the block costs. The collector of garbage stays on, as it is for users."""
    gc.collect()
    cost = Cost()
    cpu, wall = time.process_time(), time.perf_counter()
    yield cost
    cost.cpu, cost.wall = time.process_time() - cpu, time.perf_counter() - wall


def resident() -> int:
    """Return how much memory of this process is resident, in bytes."""
    return psutil.Process().memory_info().rss


class Tally:
    """A job that only counts its runs, and those who wait for a number of them."""

    def __init__(self) -> None:
        self.runs = 0
        self._wanted = 0
        self._reached = anyio.Event()

    async def job(self) -> None:
        """Count one run."""
        self.runs += 1
        if self.runs == self._wanted:
            self._reached.set()

    async def reached(self, runs: int) -> None:
        """Wait until there have been so many runs."""
        self._wanted = runs
        if self.runs < runs:
            await self._reached.wait()
