"""The work of several cases: one task submits jobs that run once and are due now, one after the other."""

from typing import Any

from suite.costs import Cost, Tally, measured


async def run_jobs(opened: Any, jobs: int, *, own: bool = False) -> Cost:
    """Return what they cost, from the first submission to the last outcome; ``own``: each with a request of its own."""
    tally = Tally()
    with measured() as cost:
        submit = opened.submitter(tally.job)
        for _ in range(jobs):
            await (opened.submitter(tally.job) if own else submit)()
        await tally.reached(jobs)
        await opened.settle()
    if tally.runs != jobs:
        raise RuntimeError(f"{tally.runs} runs of {jobs} jobs")
    return cost
