"""What it costs to open a scheduler with 4 workers and to close it again, with nothing in it.

Again and again on one event loop; the first time, which imports and prepares what is kept, does not count.
"""

from suite import loops
from suite.costs import measured
from suite.subjects import Subject

FIGURES = {"cpu_ms": "ms of CPU, opened and closed"}

FAMILIES = ("turnkeeper", "floor-v", "apscheduler3", "apscheduler4")


def settings(subject: Subject, scale: str) -> list[dict]:
    """Some times."""
    if subject.family not in FAMILIES or subject.variant not in ("", "handle") or subject.loop == "uvloop":
        return []
    return [{"times": {"smoke": 3, "short": 300, "full": 1_000}[scale]}]


def measure(subject: Subject, *, times: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, times, loop=subject.loop)


async def _measure(subject: Subject, times: int) -> dict[str, float]:
    async with subject.opened(4):
        pass
    with measured() as cost:
        for _ in range(times):
            async with subject.opened(4):
                pass
    return {"cpu_ms": cost.cpu / times * 1000}
