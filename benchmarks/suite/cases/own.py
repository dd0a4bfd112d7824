"""What a job costs from its submission to its outcome if it has a request of its own, as jobs of different users have.

As in `throughput`, but that each job has a request with a schedule of its own, which is made within the time measured.
Peers make a trigger for each job in both cases; floors have neither.
"""

from suite import loops
from suite.one_shot import run_jobs
from suite.subjects import Subject

FIGURES = {"cpu_us": "µs of CPU a job", "wall_us": "µs of wall time a job"}

FAMILIES = ("turnkeeper", "floor-v", "apscheduler3", "apscheduler4")


def settings(subject: Subject, scale: str) -> list[dict]:
    """Few workers and many."""
    if subject.family not in FAMILIES or subject.variant not in ("", "handle", "equipped"):
        return []
    if scale == "smoke":
        return [{"workers": 4, "jobs": 300}]
    sizes = (10_000, 100_000) if scale == "full" else (10_000,)
    return [{"workers": workers, "jobs": jobs} for workers in (4, 64) for jobs in sizes]


def measure(subject: Subject, *, workers: int, jobs: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, workers, jobs, loop=subject.loop)


async def _measure(subject: Subject, workers: int, jobs: int) -> dict[str, float]:
    async with subject.opened(workers) as opened:
        cost = await run_jobs(opened, jobs, own=True)
    return {"cpu_us": cost.cpu / jobs * 1e6, "wall_us": cost.wall / jobs * 1e6}
