"""Floor (v): floor (iii) with the common bookkeeping (`suite.subjects.bookkeeping`), handed over by stream.

The coordinator plans what is staged, hands what is due to workers through a stream, and files what they report through
another. At most one run more than there are workers is handed over, as this library does with its default settings.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from suite.subjects.bookkeeping import Booked, Run
from suite.subjects.waiting import rung


class Opened(Booked):
    """The books, the coordinator and the workers."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._free = workers + 1
        self._dispatch, self._dispatched = anyio.create_memory_object_stream[Run](workers + 1)
        self._report, self._reported = anyio.create_memory_object_stream[Run](workers + 1)

    async def coordinate(self) -> None:
        """File what is reported, plan what is staged, hand over what is due; for ever."""
        books = self._books
        while True:
            self._file()
            books.take_in()
            now = time.time()
            while self._free and (run := books.next_due(now)) is not None:
                self._free -= 1
                self._dispatch.send_nowait(run)
            await rung(self._wakeup, books.planned if self._free else [])
            self._wakeup = anyio.Event()

    def _file(self) -> None:
        try:
            while True:
                self._books.history(self._reported.receive_nowait())
                self._free += 1
        except anyio.WouldBlock:
            self._filed.set()

    async def work(self) -> None:
        """Execute what comes, for ever."""
        while True:
            try:
                run = self._dispatched.receive_nowait()
            except anyio.WouldBlock:
                run = await self._dispatched.receive()
            await self._books.execute(run)
            self._report.send_nowait(run)
            self._wakeup.set()

    def close(self) -> None:
        """Close the streams."""
        self._books.close()
        for stream in (self._dispatch, self._dispatched, self._report, self._reported):
            stream.close()


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
