"""APScheduler 3: `AsyncIOScheduler`, memory job store, `AsyncIOExecutor`.

``misfire_grace_time=None`` (by default it drops what is a second late), ``max_instances`` as high as needed, no
logging. It has no limit of workers for coroutine functions, no timeouts and no history: it does not do that work.
``equipped``: each function is wrapped as its users do who want a limit and a timeout, in a semaphore and
``asyncio.timeout``.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from suite.subjects.interface import TIMEOUT, YIELD_EVERY, Job

DEFAULTS = {"misfire_grace_time": None, "max_instances": 1_000_000, "coalesce": False}


class Limited:
    """A job, and what its author writes around it; a method, as the job is: what APScheduler looks up is the same."""

    def __init__(self, job: Job, limit: asyncio.Semaphore) -> None:
        self._job = job
        self._limit = limit

    async def run(self) -> None:
        """Run it, not too long, and not beside too many others."""
        async with self._limit, asyncio.timeout(TIMEOUT):
            await self._job()


class Opened:
    """A scheduler that runs."""

    def __init__(self, scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, limit: asyncio.Semaphore | None) -> None:
        self._scheduler = scheduler
        self._executor = executor
        self._limit = limit
        self._submitted = 0
        self._later = datetime.now(UTC) + timedelta(hours=1, minutes=1)

    def submitter(self, job, *, at=None, every=None):
        """Add a job; its trigger is made anew each time, since it keeps state."""
        called = job if self._limit is None else Limited(job, self._limit).run

        async def submit() -> str:
            due = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
            if every is None:
                added = self._scheduler.add_job(called, DateTrigger(due))
            else:
                added = self._scheduler.add_job(called, IntervalTrigger(seconds=every), next_run_time=due)
            self._submitted += 1
            if self._submitted % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            return added.id

        return submit

    async def cancel(self, job_id: Any) -> None:
        """Remove it; its own call, which does not await."""
        self._scheduler.remove_job(job_id)

    async def update(self, job_id: Any) -> None:
        """Give it another trigger."""
        self._scheduler.reschedule_job(job_id, trigger=DateTrigger(self._later))

    async def settle(self) -> None:
        """Wait until the executor has seen the end of every task."""
        while self._executor._pending_futures:  # noqa: SLF001, ASYNC110  (it has no event for this)
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(workers: int, *, equipped: bool = False) -> AsyncGenerator[Opened]:
    """Start one."""
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    executor = AsyncIOExecutor()
    scheduler = AsyncIOScheduler(executors={"default": executor}, job_defaults=DEFAULTS, timezone=UTC)
    scheduler.start()
    yield Opened(scheduler, executor, asyncio.Semaphore(workers) if equipped else None)
    scheduler.shutdown()
    await asyncio.sleep(0)
