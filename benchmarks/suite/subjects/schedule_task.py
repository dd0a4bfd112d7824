"""The package ``schedule``, driven by a task: ``run_pending()``, then sleep for ``idle_seconds``, as its FAQ shows.

It calls plain functions, one after the other; here each starts a coroutine as a task. A job that runs once returns
``CancelJob``. No limits, no timeouts, no ids, no outcomes. It looks at every job each time it looks at all.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import schedule

from suite.subjects.interface import YIELD_EVERY


class Opened:
    """A scheduler of that package, and the task that drives it."""

    def __init__(self) -> None:
        self._scheduler = schedule.Scheduler()
        self._running: set[asyncio.Task[None]] = set()
        self._added = asyncio.Event()
        self._submitted = 0

    def submitter(self, job, *, at=None, every=None):
        """Add a job."""

        async def run() -> None:
            await job()

        def call() -> type[schedule.CancelJob] | None:
            self._start(run())
            return schedule.CancelJob if every is None else None

        async def submit() -> schedule.Job:
            self._submitted += 1
            if self._submitted % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            added = self._scheduler.every(1 if every is None else round(every)).seconds.do(call)
            added.next_run = datetime.fromtimestamp(time.time() if at is None else at)  # noqa: DTZ006  (local, as its)
            self._added.set()
            return added

        return submit

    async def cancel(self, job: schedule.Job) -> None:
        """Forget it; its own call, which does not await."""
        self._scheduler.cancel_job(job)

    async def settle(self) -> None:
        """Wait for the tasks that were started."""
        while self._running:
            await asyncio.wait(self._running)

    async def drive(self) -> None:
        """Run what is pending, for ever."""
        while True:
            self._added.clear()
            self._scheduler.run_pending()
            idle = self._scheduler.idle_seconds
            pause = None if idle is None else max(idle, 0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._added.wait(), pause)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:  # noqa: ARG001  (it has no limit)
    """Start one."""
    running = Opened()
    driver = asyncio.ensure_future(running.drive())
    yield running
    driver.cancel()
