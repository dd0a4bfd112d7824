"""Floor (i): a heap, and a task for each run. The least that starts functions at instants.

One task sleeps until the first entry of the heap is due, and starts each due function as a task of its own. No limit
of workers, no ids, no records, no timeouts, no outcomes, no back-pressure; an error of a job ends everything.
"""

import heapq
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

import anyio
from anyio.lowlevel import checkpoint

from suite.subjects.interface import YIELD_EVERY
from suite.subjects.waiting import rung


class Opened:
    """The heap, and who sleeps by it."""

    def __init__(self, tasks) -> None:
        self._tasks = tasks
        self._heap = []
        self._numbers = count(1)
        self._bell = anyio.Event()

    def submitter(self, job, *, at=None, every=None):
        """Push it, and ring if it is the first."""

        async def submit() -> int:
            number = next(self._numbers)
            heapq.heappush(self._heap, (time.time() if at is None else at, number, every, job))
            if self._heap[0][1] == number:
                self._bell.set()
            if number % YIELD_EVERY == 0:
                await checkpoint()
            return number

        return submit

    async def settle(self) -> None:
        """Nothing is recorded: there is nothing to wait for."""

    async def run(self) -> None:
        """Start what is due, for ever."""
        heap, numbers = self._heap, self._numbers
        while True:
            now = time.time()
            while heap and heap[0][0] <= now:
                due, _, every, job = heapq.heappop(heap)
                if every is not None:
                    heapq.heappush(heap, (due + every, next(numbers), every, job))
                self._tasks.start_soon(job)
            await rung(self._bell, heap)
            self._bell = anyio.Event()


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:  # noqa: ARG001  (it has no limit)
    """Open one."""
    async with anyio.create_task_group() as tasks:
        floor = Opened(tasks)
        tasks.start_soon(floor.run)
        yield floor
        tasks.cancel_scope.cancel()
