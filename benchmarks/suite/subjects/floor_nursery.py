"""Floor (i): a heap, and a task for each run. The least that starts functions at instants.

One task sleeps until the first entry of the heap is due, and starts each due function as a task of its own. No limit
of workers, no ids, no records, no timeouts, no outcomes, no back-pressure; an error of a job ends everything.
"""

import heapq
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from suite.subjects.heaped import Heaped
from suite.subjects.waiting import rung


class Opened(Heaped):
    """The heap, and who sleeps by it."""

    def __init__(self, tasks) -> None:
        super().__init__()
        self._tasks = tasks

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
            await rung(self._wakeup, heap)
            self._wakeup = anyio.Event()


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:  # noqa: ARG001  (it has no limit)
    """Open one."""
    async with anyio.create_task_group() as tasks:
        floor = Opened(tasks)
        tasks.start_soon(floor.run)
        yield floor
        tasks.cancel_scope.cancel()
