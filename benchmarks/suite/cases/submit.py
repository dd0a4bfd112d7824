"""What it costs to submit a job that is due in an hour, beside all those that wait already.

``wait``: ``await add_job(...)``, one after the other, until all are planned. ``try``: ``try_add_job(...)``, 128 calls
at a time, as many as staging has room for by default; then one question makes sure that all are planned. The CPU time
of both together is `cpu_us`, that of the calls alone `call_us`; the rest is the coordinator's, which plans them.
"""

import time
from functools import partial

from suite import loops
from suite.costs import Tally, measured
from suite.subjects import Subject

FIGURES = {"cpu_us": "µs of CPU a job, planned", "call_us": "µs of CPU a call"}

STAGING = 128
LARGEST = {"turnkeeper": 1_000_000, "floor-v": 1_000_000, "apscheduler3": 100_000, "apscheduler4": 100_000}


def settings(subject: Subject, scale: str) -> list[dict]:
    """Up to a million jobs, in both ways where there are two."""
    ways = ("wait", "try") if subject.family == "turnkeeper" else ("wait",)
    if subject.family not in LARGEST or not subject.plain:
        return []
    sizes = {"smoke": (300,), "short": (10_000, 100_000), "full": (10_000, 100_000, 1_000_000)}[scale]
    return [{"way": way, "jobs": jobs} for way in ways for jobs in sizes if jobs <= LARGEST[subject.family]]


def measure(subject: Subject, *, way: str, jobs: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_wait if way == "wait" else _try, subject, jobs, loop=subject.loop)


async def _wait(subject: Subject, jobs: int) -> dict[str, float]:
    async with subject.opened(4) as opened:
        with measured() as cost:
            submit = opened.submitter(Tally().job, at=time.time() + 3600)
            for _ in range(jobs):
                await submit()
            await opened.settle()
    return {"cpu_us": cost.cpu / jobs * 1e6}


async def _try(subject: Subject, jobs: int) -> dict[str, float]:
    calls = 0
    async with subject.opened(4) as opened:
        with measured() as cost:
            submit = partial(opened.scheduler.try_add_job, opened.request(time.time() + 3600, None), Tally().job)
            for done in range(0, jobs, STAGING):
                began = time.process_time_ns()
                for _ in range(min(STAGING, jobs - done)):
                    submit()
                calls += time.process_time_ns() - began
                await opened.settle()
    return {"cpu_us": cost.cpu / jobs * 1e6, "call_us": calls / jobs / 1000}
