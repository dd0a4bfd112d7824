"""The mixed load: fleets of recurring jobs, and commanders, on one open scheduler."""

import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio

import turnkeeper_trio as tk

from .commanders import Commander
from .fleet import fleet

WORKERS = 16
"""How many workers a fleet and its commander need, so that runs seldom wait for one."""

APART = 0.0101
"""Seconds between two submissions: an interval counts from there, and not all jobs are to be due at once."""


class Load:
    """What is going on."""

    def __init__(self) -> None:
        self.commanders: list[Commander] = []

    @property
    def done(self) -> Counter[str]:
        """How often the commanders did what."""
        return sum((commander.done for commander in self.commanders), Counter[str]())

    @property
    def refused(self) -> Counter[str]:
        """How often they were refused, and by which error."""
        return sum((commander.refused for commander in self.commanders), Counter[str]())


@asynccontextmanager
async def mixed_load(scheduler: tk.Scheduler, *, fleets: int, seed: int, disturb: bool) -> AsyncGenerator[Load]:
    """Have the load for as long as the block lasts; the jobs stay when it is left."""
    load = Load()
    async with anyio.create_task_group() as tasks:
        for number in range(fleets):
            jobs: list[tk.RecurringJobId] = []
            for request, function in fleet(number):
                jobs.append(await scheduler.add_job(request, function, random.Random(f"{seed} {request.name}")))
                await anyio.sleep(APART)
            chance = random.Random(f"{seed} commander {number}")
            # Whoever pauses everything pauses everybody: one does.
            commander = Commander(scheduler, jobs, chance, disturb=disturb and number == 0)
            load.commanders.append(commander)
            # Two hands: while one waits, the other goes on.
            tasks.start_soon(commander.command)
            tasks.start_soon(commander.command)
        yield load
        tasks.cancel_scope.cancel()


async def cancel_all(scheduler: tk.Scheduler) -> None:
    """Cancel every job that has not ended, with its runs."""
    alive = [tk.JobState.ACTIVE, tk.JobState.PAUSED, tk.JobState.HALTED]
    for job in await scheduler.list_all_jobs(states=alive, limit=10**9):
        with suppress(tk.JobNotFound):  # it ended, and was forgotten
            await scheduler.cancel_job(job.job_id, cancel_running=True, reason="all is over")
