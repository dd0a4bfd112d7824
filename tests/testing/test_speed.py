"""A year of schedules takes a test milliseconds. Each is tried some times over: a busy machine is no slow library."""

import os
import subprocess
import sys
import time
from datetime import time as clock_time

import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, Weekday, WeekdayTimes, open_scheduler
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.testing import current_scheduler_time, run
from turnkeeper_trio.testing._schedules import Backend

WEEKLY = WeekdayTimes.on([Weekday.MON], clock_time(9), timezone="Europe/Berlin")


LIMITS = {"hourly": 1.5, "weekly": 0.03}
"""Seconds of CPU."""

PROGRAM = """
import runpy, sys
sys.path[:0] = {path!r}
print(runpy.run_path({file!r})["cpu"]({name!r}, {backend!r}))
"""


async def nothing() -> None: ...


async def year(schedule: Schedule) -> int:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", schedule), nothing)
        await current_scheduler_time().advance(days=365)
        return scheduler.get_metrics_snapshot().books.succeeded


def cpu(name: str, backend: Backend) -> float:
    """Return the least CPU time that a year took, in a few tries."""
    schedule, runs = {"hourly": (Interval(hours=1), 8760), "weekly": (WEEKLY, 52)}[name]
    took: list[float] = []
    while len(took) < 6 and (not took or min(took) >= LIMITS[name]):
        begin = time.process_time()
        assert run(year, schedule, backend=backend) == runs
        took.append(time.process_time() - begin)
    return min(took)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_year(name: str, backend: Backend) -> None:
    program = PROGRAM.format(path=sys.path, file=__file__, name=name, backend=backend)
    # Measured in a process of its own, in which nothing counts lines of code: that would be measured, too.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, check=True, text=True, timeout=100)  # noqa: S603
    assert float(done.stdout) < LIMITS[name]
