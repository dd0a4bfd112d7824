"""How much processor time does a year of schedules take in virtual time?

``python benchmarks/virtual_time.py`` prints the least of some tries, in seconds of CPU: an hourly and a weekly job, on
trio and on asyncio.
"""

import argparse
import time
from datetime import time as clock_time

from turnkeeper_trio import Interval, RecurringJobRequest, Weekday, WeekdayTimes, open_scheduler
from turnkeeper_trio.testing import current_scheduler_time, run

SCHEDULES = {
    "hourly": Interval(hours=1),
    "weekly": WeekdayTimes.on([Weekday.MON], clock_time(9), timezone="Europe/Berlin"),
}


async def nothing() -> None: ...


async def year(schedule) -> int:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", schedule), nothing)
        await current_scheduler_time().advance(days=365)
        return scheduler.get_metrics_snapshot().books.succeeded


def cpu(schedule, backend: str) -> tuple[float, int]:
    begin = time.process_time()
    runs = run(year, schedule, backend=backend)
    return time.process_time() - begin, runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    for name, schedule in SCHEDULES.items():
        for backend in ("trio", "asyncio"):
            took, runs = min(cpu(schedule, backend) for _ in range(options.repeat))
            print(f"{name:8} {backend:8} {took:7.3f} s for {runs} runs, {took / runs * 1e6:6.0f} µs a run")


if __name__ == "__main__":
    main()
