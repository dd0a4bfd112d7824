"""What a scheduler costs that has nothing to do: CPU time of the process while many jobs wait for an hour to pass."""

import time

import anyio

from suite import loops
from suite.costs import Tally, measured
from suite.subjects import Subject

FIGURES = {"share": "% of a core", "cpu_ms": "ms of CPU in all"}

FAMILIES = ("turnkeeper", "floor-v", "taskiq", "schedule", "apscheduler3", "apscheduler4")


def settings(subject: Subject, scale: str) -> list[dict]:
    """Ten thousand, and a million; peers ten thousand only."""
    if subject.family not in FAMILIES or subject.variant not in ("", "handle") or subject.loop == "uvloop":
        return []
    if scale == "smoke":
        return [{"pending": 300, "seconds": 0.3}]
    if subject.family == "turnkeeper" and scale == "full":
        return [{"pending": 10_000, "seconds": 60}, {"pending": 1_000_000, "seconds": 60}]
    targeted = subject.family == "turnkeeper"  # to begin and to end it costs a millisecond, whatever the time between
    return [{"pending": 10_000, "seconds": 20 if targeted or scale == "full" else 10}]


def measure(subject: Subject, *, pending: int, seconds: float) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, pending, seconds, loop=subject.loop)


async def _measure(subject: Subject, pending: int, seconds: float) -> dict[str, float]:
    async with subject.opened(4) as opened:
        submit = opened.submitter(Tally().job, at=time.time() + 3600)
        for _ in range(pending):
            await submit()
        await opened.settle()
        await anyio.sleep(min(seconds, 2))  # what was begun by the last submission comes to rest
        with measured() as cost:
            await anyio.sleep(seconds)
    return {"share": cost.cpu / cost.wall * 100, "cpu_ms": cost.cpu * 1000}
