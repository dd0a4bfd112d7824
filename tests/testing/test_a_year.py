"""A year of schedules is played through, run by run. ``benchmarks/run.py`` measures how long it takes."""

from datetime import time

import pytest
from sample_jobs import nothing

from turnkeeper_trio import Interval, RecurringJobRequest, WeekdayTimes, open_scheduler
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.schedules import Weekday
from turnkeeper_trio.testing import current_scheduler_time, run
from turnkeeper_trio.testing._backends import Backend

pytestmark = pytest.mark.slow

WEEKLY = WeekdayTimes.on([Weekday.MON], time(9), timezone="Europe/Berlin")


async def year(schedule: Schedule) -> int:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", schedule), nothing)
        await current_scheduler_time().advance(days=365)
        return scheduler.get_metrics_snapshot().books.succeeded


@pytest.mark.parametrize(("schedule", "runs"), [(Interval(hours=1), 8760), (WEEKLY, 52)])
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_every_occurrence_of_a_year_is_run(schedule: Schedule, runs: int, backend: Backend) -> None:
    assert run(year, schedule, backend=backend) == runs
