"""taskiq: its in-memory broker, and its scheduler loop for what is due later or recurs.

What is due now is sent with ``kiq``; the broker starts a task for each, whatever ``max_async_tasks`` says. Runs have a
timeout (a label), and results are kept as it does by default. The scheduler reads its schedules from the labels of the
tasks when it starts, so nothing can be added while it runs: here it is started when the first instant is due to come,
after all was submitted. It looks once a second, at all of them.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from taskiq import InMemoryBroker, TaskiqScheduler
from taskiq.api import run_scheduler_task
from taskiq.schedule_sources import LabelScheduleSource

from suite.subjects.interface import TIMEOUT, YIELD_EVERY


class Opened:
    """A broker, and a scheduler that is started when something is to be scheduled."""

    def __init__(self, broker: InMemoryBroker, tasks: asyncio.TaskGroup) -> None:
        self._broker = broker
        self._tasks = tasks
        self._submitted = 0
        self.scheduling: asyncio.Task[None] | None = None

    def submitter(self, job, *, at=None, every=None):
        """Send a task, or write its schedule into its labels."""
        schedules: list[dict[str, Any]] = []

        async def run() -> None:
            await job()

        task = self._broker.register_task(run, task_name=f"job {id(schedules)}", timeout=TIMEOUT, schedule=schedules)

        async def submit() -> Any:
            self._submitted += 1
            if self._submitted % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if at is None and every is None:
                return (await task.kiq()).task_id
            when = {"time": datetime.fromtimestamp(at, UTC)} if every is None else {"interval": round(every)}
            schedules.append(when)
            if self.scheduling is None:
                self.scheduling = self._tasks.create_task(self._schedule())
            return None

        return submit

    async def settle(self) -> None:
        """Wait for the tasks of the broker."""
        await self._broker.wait_all()

    async def _schedule(self) -> None:
        await asyncio.sleep(0.5)
        await run_scheduler_task(TaskiqScheduler(self._broker, [LabelScheduleSource(self._broker)]))


@asynccontextmanager
async def opened(workers: int) -> AsyncGenerator[Opened]:
    """Start one."""
    logging.getLogger("taskiq").setLevel(logging.CRITICAL)
    broker = InMemoryBroker(max_async_tasks=workers)
    await broker.startup()
    async with asyncio.TaskGroup() as tasks:
        running = Opened(broker, tasks)
        yield running
        if running.scheduling is not None:
            running.scheduling.cancel()
    await broker.shutdown()
