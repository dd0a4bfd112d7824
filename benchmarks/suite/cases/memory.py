"""How much memory a pending job takes: resident memory after so many were submitted, less that before, for each.

``shared``: all jobs of one request. ``own``: a request each, with a schedule of its own. The ids, which the caller
would keep, are not kept here.
"""

import gc
import time

from suite import loops
from suite.costs import Tally, resident
from suite.subjects import Subject

FIGURES = {"bytes": "B of resident memory a job", "total_mb": "MB resident in all"}

FAMILIES = ("turnkeeper", "floor-v", "apscheduler3", "apscheduler4")


def settings(subject: Subject, scale: str) -> list[dict]:
    """A hundred thousand, and a million."""
    if subject.family not in FAMILIES or not subject.plain or subject.loop == "uvloop":
        return []
    if scale == "smoke":
        return [{"requests": "shared", "jobs": 300}]
    cases = [("shared", 100_000)]
    if subject.family == "turnkeeper":
        cases += [("own", 100_000)]
    if subject.family in ("turnkeeper", "floor-v") and scale == "full":
        cases += [("shared", 1_000_000)]
    return [{"requests": requests, "jobs": jobs} for requests, jobs in cases]


def measure(subject: Subject, *, requests: str, jobs: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, requests, jobs, loop=subject.loop)


async def _measure(subject: Subject, requests: str, jobs: int) -> dict[str, float]:
    job, due = Tally().job, time.time() + 3600
    async with subject.opened(4) as opened:
        submit = opened.submitter(job, at=due)
        await submit()
        await opened.settle()
        gc.collect()
        before = resident()
        for number in range(jobs):
            if requests == "own":
                submit = opened.submitter(job, at=due + number / 1000)
            await submit()
        await opened.settle()
        gc.collect()
        after = resident()
    return {"bytes": (after - before) / jobs, "total_mb": after / 1e6}
