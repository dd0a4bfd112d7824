"""APScheduler 4 (a pre-release): `AsyncScheduler`, memory data store, local event broker; on asyncio and on trio.

What is due at an instant, be it now, is a schedule with a `DateTrigger`. ``direct``: what is due now is added with
``add_job`` instead, which has no instant and goes past the schedules, to the job queue. ``max_concurrent_jobs``, and
``max_running_jobs`` of the task, are the number of workers. Results are not kept (its default), there are no timeouts,
and no logging.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio.lowlevel import checkpoint
from apscheduler import AsyncScheduler, ConflictPolicy, TaskDefaults
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from suite.subjects.interface import YIELD_EVERY


class Opened:
    """A scheduler that runs."""

    def __init__(self, scheduler: AsyncScheduler, *, direct: bool) -> None:
        self._scheduler = scheduler
        self._submitted = 0
        self._job = None
        self._direct = direct

    def submitter(self, job, *, at=None, every=None):
        """Add a job, or a schedule; its trigger is made anew each time, since it keeps state."""
        self._job = job

        async def submit() -> Any:
            due = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
            if at is None and every is None and self._direct:
                added = await self._scheduler.add_job(job)
            elif every is None:
                added = await self._scheduler.add_schedule(job, DateTrigger(due))
            else:
                added = await self._scheduler.add_schedule(job, IntervalTrigger(seconds=every, start_time=due))
            self._submitted += 1
            if self._submitted % YIELD_EVERY == 0:
                await checkpoint()
            return added

        return submit

    async def cancel(self, job_id: Any) -> None:
        """Remove the schedule."""
        await self._scheduler.remove_schedule(job_id)

    async def update(self, job_id: Any) -> None:
        """Put another schedule in its place: there is no call that changes one."""
        later = DateTrigger(datetime.now(UTC) + timedelta(hours=1, minutes=1))
        await self._scheduler.add_schedule(self._job, later, id=job_id, conflict_policy=ConflictPolicy.replace)

    async def settle(self) -> None:
        """Wait until no job is running for it."""
        while self._scheduler._running_jobs:  # noqa: SLF001  (it has no event for this)
            await checkpoint()


@asynccontextmanager
async def opened(workers: int, *, direct: bool = False) -> AsyncGenerator[Opened]:
    """Start one."""
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    defaults = TaskDefaults(max_running_jobs=workers)
    async with AsyncScheduler(max_concurrent_jobs=workers, task_defaults=defaults) as scheduler:
        await scheduler.start_in_background()
        yield Opened(scheduler, direct=direct)
        await scheduler.stop()
