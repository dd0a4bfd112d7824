"""What a run costs in virtual time: a job for a year of 365 days, hourly (8,760 runs) or weekly (52 runs)."""

from datetime import time

from suite.costs import Tally, measured
from suite.subjects import Subject
from suite.subjects.turnkeeper import QUEUES
from turnkeeper_trio import Interval, RecurringJobRequest, WeekdayTimes, open_scheduler
from turnkeeper_trio.schedules import Weekday
from turnkeeper_trio.testing import current_scheduler_time, run

FIGURES = {"cpu_us": "µs of CPU a run", "runs": "runs"}

SCHEDULES = {
    "hourly": Interval(hours=1),
    "weekly": WeekdayTimes.on([Weekday.MON], time(9), timezone="Europe/Berlin"),
}


def settings(subject: Subject, scale: str) -> list[dict]:
    """A year; on the event loops whose time can be virtual."""
    if subject.family != "turnkeeper" or not subject.plain or subject.loop == "uvloop":
        return []
    days = 7 if scale == "smoke" else 365
    return [{"schedule": schedule, "days": days} for schedule in SCHEDULES]


def measure(subject: Subject, *, schedule: str, days: int) -> dict[str, float]:
    """Measure it once, with all that it takes to begin and to end."""
    with measured() as cost:
        runs = run(_let_pass, days, subject.options["queue"], schedule, backend=subject.loop)
    return {"cpu_us": cost.cpu / runs * 1e6, "runs": runs}


async def _let_pass(days: int, queue: str, schedule: str) -> int:
    tally = Tally()
    async with open_scheduler(max_workers=1, priority_queue=QUEUES[queue]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", SCHEDULES[schedule]), tally.job)
        await current_scheduler_time().advance(days=days)
    return tally.runs
