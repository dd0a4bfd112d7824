"""How late a function starts, on the real clock: one job each 5 ms, all submitted before the first is due.

Lateness is the wall time in the first line of the function less the job's instant. It depends on the machine: look at
the difference from floor (i), in the same run.
"""

import time
from functools import partial

import anyio

from suite import loops
from suite.costs import Tally
from suite.subjects import Subject

FIGURES = {
    "p50_us": "µs late, median",
    "p99_us": "µs late, 99th percentile",
    "max_us": "µs late, at most",
    "early": "runs before their instant",
}

STEP = 0.005
ROUNDING = 1e-6
"""An instant as a number of seconds since 1970 is no more exact than this."""

FAMILIES = ("turnkeeper", "floor-i", "floor-v", "floor-vi", "apscheduler3", "apscheduler4", "schedule")


def settings(subject: Subject, scale: str) -> list[dict]:
    """For some seconds."""
    if subject.family not in FAMILIES or not subject.plain:
        return []
    return [{"seconds": {"smoke": 0.2, "short": 3, "full": 15}[scale]}]


def measure(subject: Subject, *, seconds: float) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, round(seconds / STEP), loop=subject.loop)


class LateTally(Tally):
    """One whose job notes how late it is."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []

    async def late_job(self, instant: float) -> None:
        """Note how late it is, and count."""
        self.late.append(time.time() - instant)
        await self.job()


async def _measure(subject: Subject, jobs: int) -> dict[str, float]:
    tally = LateTally()
    async with subject.opened(4) as opened:
        begin = round(time.time() + 0.5 + jobs / 1000, 3)  # time enough to submit them all
        for number in range(jobs):
            instant = begin + number * STEP
            await opened.submitter(partial(tally.late_job, instant), at=instant)()
        if time.time() > begin:
            raise RuntimeError("the first job was due before the last was submitted")
        await tally.reached(jobs)
        await anyio.sleep(0.01)
    late = sorted(tally.late)
    percentiles = {"p50_us": late[jobs // 2], "p99_us": late[jobs * 99 // 100], "max_us": late[-1]}
    figures = {name: value * 1e6 for name, value in percentiles.items()}
    return figures | {"early": sum(value < -ROUNDING for value in late)}
