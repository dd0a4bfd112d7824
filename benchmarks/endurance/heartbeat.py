"""A heartbeat: for how long at a stretch does an event loop see to nothing else?

A task sleeps for a millisecond, again and again; by how much longer than that it was away is the gap. It is what a web
request feels whose socket has become ready. Rejected: a task that calls ``checkpoint()`` in a loop. It would be ready
in every turn, so that the loop never sleeps and every turn is longer by one task; on trio, which runs whatever is ready
in one batch, it would count batches, and at a rate that takes processor time from what is measured.

Two things besides the loop's tasks keep a heart from beating. The machine, where it gives the processor to somebody
else: so each gap is measured in processor time as well. And the garbage collector, which stops everything: its pauses
are measured by ``gc.callbacks``, and each gap is also given without those that fell into it.
"""

import gc
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio

BEAT = 0.001
FULL = 2
"""The generation of a collection that looks at everything."""


class Collections:
    """The pauses of the garbage collector."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.pauses: list[tuple[int, float, float]] = []
        """Of each: the generation, when it began, and the seconds it took."""
        self._began = (0.0, 0.0)

    def note(self, phase: str, info: dict[str, Any]) -> None:
        """Be told by ``gc`` of the begin or the end of a collection."""
        now = (time.perf_counter(), time.thread_time())
        if phase == "start":
            self._began = now
            return
        took = now[0] - self._began[0]
        self.wall += took
        self.cpu += now[1] - self._began[1]
        self.pauses.append((info["generation"], self._began[0], took))

    def longest(self, generation: int) -> float:
        """Return the longest pause of collections of this generation."""
        return max((took for which, _, took in self.pauses if which == generation), default=0.0)


@contextmanager
def collections() -> Generator[Collections]:
    """Measure the pauses of the garbage collector inside of the block."""
    pauses = Collections()
    gc.callbacks.append(pauses.note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(pauses.note)


class Heartbeat:
    """The gaps, each as (when it ended, seconds, without collections, processor seconds without collections)."""

    def __init__(self, pauses: Collections) -> None:
        self._pauses = pauses
        self.gaps: list[tuple[float, float, float, float]] = []

    async def beat(self) -> None:
        """Beat until cancelled."""
        pauses = self._pauses
        before = (time.perf_counter(), time.thread_time(), pauses.wall, pauses.cpu)
        while True:
            await anyio.sleep(BEAT)
            after = (time.perf_counter(), time.thread_time(), pauses.wall, pauses.cpu)
            wall, cpu, wall_gc, cpu_gc = (late - early for late, early in zip(after, before, strict=True))
            # A beat may be a little early: the clock of asyncio rounds.
            self.gaps.append((after[0], max(wall - BEAT, 0.0), max(wall - BEAT - wall_gc, 0.0), max(cpu - cpu_gc, 0.0)))
            before = after

    def longest(self) -> tuple[float, float, float]:
        """Return the longest gap, the longest without collections, and that in processor time."""
        columns = list(zip(*self.gaps, strict=True))
        return max(columns[1]), max(columns[2]), max(columns[3])
