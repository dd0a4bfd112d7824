"""What a job costs from its submission to its outcome: one-shot jobs that do nothing, due now, with all features on.

One task submits them all, one after the other, and awaits each submission. Each has a timeout where the subject knows
timeouts. The figure is the CPU time of the process from the first submission until the last outcome is in the books.
"""

from suite.costs import Tally, measured
from suite.subjects import Subject

FIGURES = {"cpu_us": "µs of CPU a job", "wall_us": "µs of wall time a job"}


def settings(scale: str) -> list[dict]:
    """Return what is measured at a scale."""
    sizes = {"smoke": (300,), "short": (10_000,), "full": (10_000, 100_000)}[scale]
    return [{"workers": workers, "jobs": jobs} for jobs in sizes for workers in (1, 4, 64)]


def suits(subject: Subject, *, workers: int, jobs: int) -> bool:
    """Whether the subject takes part."""
    del subject, workers, jobs
    return True


async def measure(subject: Subject, *, workers: int, jobs: int) -> dict[str, float]:
    """Measure it once."""
    tally = Tally()
    async with subject.opening()(workers) as opened:
        with measured() as cost:
            submit = opened.submitter(tally.job)
            for _ in range(jobs):
                await submit()
            await tally.reached(jobs)
            await opened.settle()
    if tally.runs != jobs:
        raise RuntimeError(f"{tally.runs} runs of {jobs} jobs")
    return {"cpu_us": cost.cpu / jobs * 1e6, "wall_us": cost.wall / jobs * 1e6}
