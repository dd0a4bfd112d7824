"""What a steady load costs: a thousand recurring jobs, each once a second, and whether every run takes place.

``spread``: their instants are spread evenly over nine tenths of the second. ``together``: all are due at one instant.
The CPU time of the process is taken from half a second before the first instant until just before the second after
the last one begins, and divided by the number of runs that should take place.
"""

import time

import anyio

from suite import loops
from suite.costs import Tally, measured
from suite.subjects import Subject

FIGURES = {"cpu_us": "µs of CPU a run", "share": "% of a core", "missing": "runs that did not take place"}

JOBS = 1_000
SPREAD = 0.9
FAMILIES = ("turnkeeper", "floor-v", "floor-vi", "apscheduler3", "apscheduler4", "taskiq", "schedule")


def settings(subject: Subject, scale: str) -> list[dict]:
    """For some seconds; what the targets compare for a minute."""
    if subject.family not in FAMILIES or subject.variant not in ("", "handle", "handle/ahead"):
        return []
    if scale != "full" and (subject.loop == "uvloop" or not subject.plain):
        return []
    compared = subject.family in ("turnkeeper", "floor-v") and subject.loop != "uvloop"
    seconds = {"smoke": 1, "short": 5, "full": 60 if compared else 10}[scale]
    spread = subject.family != "taskiq"  # it looks once a second: all that is due in a second it starts together
    return [{"instants": instants, "seconds": seconds} for instants in (["spread"] if spread else []) + ["together"]]


def measure(subject: Subject, *, instants: str, seconds: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, SPREAD if instants == "spread" else 0, seconds, loop=subject.loop)


async def _measure(subject: Subject, spread: float, seconds: int) -> dict[str, float]:
    tally = Tally()
    async with subject.opened(64) as opened:
        begin = round(time.time() + 2, 3)  # time enough to submit them all
        for number in range(JOBS):
            await opened.submitter(tally.job, at=begin + spread * number / JOBS, every=1)()
        await anyio.sleep(begin - 0.5 - time.time())
        with measured() as cost:
            await anyio.sleep(begin + seconds - 0.02 - time.time())
        ran = tally.runs
    expected = JOBS * seconds
    return {"cpu_us": cost.cpu / expected * 1e6, "share": cost.cpu / cost.wall * 100, "missing": expected - ran}
