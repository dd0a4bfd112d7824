"""What it costs to add many jobs that are due in an hour, each with a request of its own, until all are planned.

`add_job` one after the other, `add_jobs`, and `add_jobs` with ``atomic=True``, each into an empty scheduler; the
requests were made before. `restart` is what a service does that starts: it opens a scheduler, makes the requests and
adds them with `add_jobs`.
"""

import gc
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from suite import loops
from suite.costs import Cost, Tally, measured
from suite.subjects import Subject

FIGURES = {
    "bulk_us": "µs of CPU a job, add_jobs",
    "atomic_us": "µs of CPU a job, add_jobs(atomic=True)",
    "one_us": "µs of CPU a job, add_job",
    "restart_s": "s of CPU in all, a restart",
}


def settings(subject: Subject, scale: str) -> list[dict]:
    """A hundred thousand, as the target of a restart says; and few, for which garbage is not collected in full."""
    if subject.family != "turnkeeper" or subject.variant != "handle" or subject.loop == "uvloop":
        return []
    return [{"jobs": jobs} for jobs in ((300,) if scale == "smoke" else (10_000, 100_000))]


def measure(subject: Subject, *, jobs: int) -> dict[str, float]:
    """Measure each way once."""
    return loops.run(_measure, subject, jobs, loop=subject.loop)


async def _measure(subject: Subject, jobs: int) -> dict[str, float]:
    job, due = Tally().job, time.time() + 3600
    costs: dict[str, Cost] = {}

    @asynccontextmanager
    async def filled(name: str) -> AsyncGenerator:
        async with subject.opened(4) as opened:
            requests = [opened.request(due + number / 1000, None) for number in range(jobs)]
            with measured() as costs[name]:
                yield opened.scheduler, requests
                await opened.settle()
            if opened.scheduler.get_metrics_snapshot().jobs_submitted != jobs:
                raise RuntimeError(f"{name}: not all jobs were accepted")

    async with filled("one_us") as (scheduler, requests):
        for request in requests:
            await scheduler.add_job(request, job)
    del requests
    async with filled("bulk_us") as (scheduler, requests):
        await scheduler.add_jobs((request, job) for request in requests)
    del requests
    async with filled("atomic_us") as (scheduler, requests):
        await scheduler.add_jobs(((request, job) for request in requests), atomic=True)
    del requests
    gc.collect()
    began = time.process_time()
    async with subject.opened(4) as opened:
        await opened.scheduler.add_jobs((opened.request(due + n / 1000, None), job) for n in range(jobs))
        await opened.settle()
        restart = time.process_time() - began  # closing it is not part of a restart
    return {name: each.cpu / jobs * 1e6 for name, each in costs.items()} | {"restart_s": restart}
