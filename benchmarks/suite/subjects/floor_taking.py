"""Floor (vi): the common bookkeeping (`suite.subjects.bookkeeping`), and workers that take the next run themselves.

There is no coordinator: a worker plans what is staged, takes what is due, executes it, and files it, all without a
switch of tasks. Of the idle workers one is the lookout: it sleeps until something is staged, or until the next run is
due. Whoever takes a run calls another idle worker first, which takes over as lookout, or takes the next run.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from suite.subjects.bookkeeping import Booked
from suite.subjects.waiting import rung


class Opened(Booked):
    """The books and the workers."""

    def __init__(self) -> None:
        super().__init__()
        self._idle: list[anyio.Event] = []
        self._looked_out = False
        """Whether there is a lookout, or an idle worker that has been called."""

    async def work(self) -> None:
        """Take, execute and file runs, for ever."""
        books = self._books
        while True:
            books.take_in()
            run = books.next_due(time.time())
            if run is None:
                await self._rest()
                continue
            if self._idle and not self._looked_out:
                self._looked_out = True
                self._idle.pop().set()
            await books.execute(run)
            books.history(run)
            self._filed.set()

    async def _rest(self) -> None:
        if self._looked_out:
            called = anyio.Event()
            self._idle.append(called)
            await called.wait()
            self._looked_out = False
            return
        self._looked_out = True
        await rung(self._wakeup, self._books.planned)
        self._wakeup = anyio.Event()
        self._looked_out = False

    def close(self) -> None:
        """Close the streams."""
        self._books.close()


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:
    """Open one."""
    floor = Opened()
    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(floor.work)
        yield floor
        tasks.cancel_scope.cancel()
    floor.close()
