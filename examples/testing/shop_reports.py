"""A small service: it fetches orders each hour, and sends a report each Monday morning."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time

import anyio

from turnkeeper_trio import (
    FixedRetryDelay,
    Interval,
    RecurringJobRequest,
    Scheduler,
    WeekdayTimes,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.schedules import Weekday

REPORT = RecurringJobRequest("report", WeekdayTimes.on([Weekday.MON], time(9), timezone="Europe/Berlin"))
NIGHTLY = RecurringJobRequest("nightly", WeekdayTimes.on(Weekday, time(2, 30), timezone="Europe/Berlin"))
FETCH = RecurringJobRequest("fetch", Interval(hours=1), max_retries=2, retry=FixedRetryDelay(60), timeout=30)


@dataclass
class Shop:
    """What the jobs work on."""

    orders: list[datetime] = field(default_factory=list[datetime])
    reports: list[int] = field(default_factory=list[int])
    fetch: Callable[[], None] = lambda: None

    async def fetch_orders(self) -> None:
        """Fetch an order; it takes five seconds."""
        self.fetch()
        await anyio.sleep(5)
        self.orders.append(current_run().scheduled_at)

    def send_report(self) -> int:
        """Send a report: a plain function, which runs in a thread."""
        self.reports.append(len(self.orders))
        return len(self.orders)

    async def tidy_up(self) -> None:
        """Forget what has been reported."""
        del self.orders[: -24 * 7]


async def add_jobs(scheduler: Scheduler, shop: Shop) -> None:
    """Submit the jobs of the service."""
    await scheduler.add_job(FETCH, shop.fetch_orders)
    await scheduler.add_job(REPORT, shop.send_report)
    await scheduler.add_job(NIGHTLY, shop.tidy_up)


async def main(shop: Shop) -> None:
    """Run the service until it is cancelled. It knows nothing of tests."""
    async with open_scheduler(max_workers=2) as scheduler:
        await add_jobs(scheduler, shop)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, Shop())
