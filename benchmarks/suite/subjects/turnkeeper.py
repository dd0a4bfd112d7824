"""This library, with its default settings; ``ahead``: with as many runs bound ahead as there are workers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from suite.subjects.interface import TIMEOUT
from turnkeeper_trio import After, Interval, Once, PriorityQueueType, RecurringJobRequest, Scheduler, open_scheduler

QUEUES = {"handle": PriorityQueueType.HANDLE_BASED, "heap": PriorityQueueType.BINARY_HEAP}


class Opened:
    """A scheduler of this library."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.later = Once(datetime.now(UTC) + timedelta(hours=1, minutes=1))

    def request(self, at: float | None, every: float | None) -> RecurringJobRequest:
        """Return a request of its own for a job."""
        if every is not None:
            initial = None if at is None else datetime.fromtimestamp(at, UTC)
            return RecurringJobRequest("job", Interval(every), initial_run_time=initial, timeout=TIMEOUT)
        schedule = After() if at is None else Once(datetime.fromtimestamp(at, UTC))
        return RecurringJobRequest("job", schedule, timeout=TIMEOUT)

    def submitter(self, job, *, at=None, every=None):
        """All jobs of one submitter share one request."""
        return partial(self.scheduler.add_job, self.request(at, every), job)

    async def cancel(self, job_id: Any) -> None:
        """Cancel the lineage."""
        await self.scheduler.cancel_job(job_id)

    async def update(self, job_id: Any) -> None:
        """Give the job another schedule: its pending occurrence moves in the queue."""
        await self.scheduler.update_job(job_id, schedule=self.later)

    async def settle(self) -> None:
        """Wait for the last outcome."""
        await self.scheduler.wait_idle(due_only=True)


@asynccontextmanager
async def opened(workers: int, *, queue: str = "handle", ahead: bool = False, **options: Any) -> AsyncGenerator[Opened]:
    """Open one. ``options`` are for the cases that need a larger staging stream."""
    if ahead:
        options["job_dispatch_buffer_size"] = workers
    async with open_scheduler(max_workers=workers, priority_queue=QUEUES[queue], **options) as scheduler:
        yield Opened(scheduler)
        await scheduler.shutdown_force()
