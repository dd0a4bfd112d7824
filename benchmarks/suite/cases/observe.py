"""What an observer costs that counts the runs that finish: one-shot jobs as in `throughput`, with it and without.

By turns, in one process, each time in a new scheduler; of each the median. The difference is the observer's.
"""

import statistics

from suite import loops
from suite.one_shot import run_jobs
from suite.subjects import Subject

FIGURES = {
    "observer_us": "µs of CPU a run, the observer's",
    "without_us": "µs of CPU a job without",
    "with_us": "µs of CPU a job with",
}


class Counting:
    """An observer that counts."""

    def __init__(self) -> None:
        self.finished = 0

    def on_run_finished(self, event: object) -> None:  # noqa: ARG002  (it only counts)
        """Count one."""
        self.finished += 1


def settings(subject: Subject, scale: str) -> list[dict]:
    """Some turns."""
    if subject.family != "turnkeeper" or subject.variant != "handle" or subject.loop == "uvloop":
        return []
    turns, jobs = {"smoke": (1, 300), "short": (5, 5_000), "full": (9, 10_000)}[scale]
    return [{"turns": turns, "jobs": jobs}]


def measure(subject: Subject, *, turns: int, jobs: int) -> dict[str, float]:
    """Measure it by turns."""
    costs: dict[str, list[float]] = {"without_us": [], "with_us": []}
    for _ in range(turns):
        costs["without_us"].append(loops.run(_measure, subject, jobs, None, loop=subject.loop))
        costs["with_us"].append(loops.run(_measure, subject, jobs, Counting(), loop=subject.loop))
    figures = {name: statistics.median(values) for name, values in costs.items()}
    return {"observer_us": figures["with_us"] - figures["without_us"], **figures}


async def _measure(subject: Subject, jobs: int, observer: Counting | None) -> float:
    async with subject.opened(4, observers=[] if observer is None else [observer]) as opened:
        cost = await run_jobs(opened, jobs)
    if observer is not None and observer.finished != jobs:
        raise RuntimeError(f"the observer was told of {observer.finished} runs of {jobs}")
    return cost.cpu / jobs * 1e6
