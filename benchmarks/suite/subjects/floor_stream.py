"""Floor (iii): a coordinator, a memory object stream, and workers. The least that limits how many run at once.

The coordinator sleeps until the first entry of the heap is due, or until a worker is free, and hands due functions to
workers through a stream: at most one more than there are workers, so that it never waits in a send. A worker says that
it is free by counting down and ringing. No ids, no records, no timeouts, no outcomes, no back-pressure; an error of a
job ends everything.
"""

import heapq
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from suite.subjects.heaped import Heaped
from suite.subjects.waiting import rung


class Opened(Heaped):
    """The heap, the coordinator and the workers."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._free = workers + 1
        self._send, self._receive = anyio.create_memory_object_stream(workers + 1)

    async def coordinate(self) -> None:
        """Hand over what is due, for ever."""
        heap, numbers = self._heap, self._numbers
        while True:
            now = time.time()
            while self._free and heap and heap[0][0] <= now:
                due, _, every, job = heapq.heappop(heap)
                if every is not None:
                    heapq.heappush(heap, (due + every, next(numbers), every, job))
                self._free -= 1
                self._send.send_nowait(job)
            await rung(self._wakeup, heap if self._free else [])
            self._wakeup = anyio.Event()

    async def work(self) -> None:
        """Run what comes, for ever."""
        while True:
            try:
                job = self._receive.receive_nowait()
            except anyio.WouldBlock:
                job = await self._receive.receive()
            await job()
            self._free += 1
            self._wakeup.set()

    def close(self) -> None:
        """Close the stream."""
        self._send.close()
        self._receive.close()


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:
    """Open one."""
    floor = Opened(workers)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(floor.coordinate)
        for _ in range(workers):
            tasks.start_soon(floor.work)
        yield floor
        tasks.cancel_scope.cancel()
    floor.close()
