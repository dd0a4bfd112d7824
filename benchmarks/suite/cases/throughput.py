"""What a job costs from its submission to its outcome: one-shot jobs that do nothing, due now, with all features on.

One task submits them all, one after the other, and awaits each submission. Each has a timeout where the subject knows
timeouts. What is measured goes from the first submission until the last outcome is in the books.
"""

from suite import loops
from suite.one_shot import run_jobs
from suite.subjects import Subject

FIGURES = {"cpu_us": "µs of CPU a job", "wall_us": "µs of wall time a job"}

FLOORS_THAT_COUNT = ("floor-v", "floor-vi")


def settings(subject: Subject, scale: str) -> list[dict]:
    """Each number of workers, up to 100,000 jobs; a short run has all of that for what the targets compare only."""
    if scale == "smoke":
        return [{"workers": 4, "jobs": 300}]
    pairs = [(4, 1_000), (4, 10_000)]
    compared = subject.family in FLOORS_THAT_COUNT or subject.variant in ("handle", "handle/ahead")
    if scale == "full":
        pairs += [(4, 100_000), *((workers, jobs) for workers in (1, 64) for jobs in (10_000, 100_000))]
    elif compared and subject.loop != "uvloop":
        pairs += [(4, 100_000), (1, 10_000), (64, 10_000)]
    return [{"workers": workers, "jobs": jobs} for workers, jobs in pairs]


def measure(subject: Subject, *, workers: int, jobs: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, workers, jobs, loop=subject.loop)


async def _measure(subject: Subject, workers: int, jobs: int) -> dict[str, float]:
    async with subject.opened(workers) as opened:
        cost = await run_jobs(opened, jobs)
    return {"cpu_us": cost.cpu / jobs * 1e6, "wall_us": cost.wall / jobs * 1e6}
