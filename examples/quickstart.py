"""A first look: a job that recurs, one that fails and is tried again, and a weekly report that is asked for by hand.

    python examples/quickstart.py                     # on trio
    python examples/quickstart.py --backend asyncio   # on asyncio

It runs for about six seconds on the real clock. Ctrl-C ends it earlier, and as cleanly.
"""

import argparse
import logging
import time as clock
from datetime import time, timedelta

import anyio

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    RecurringJobRequest,
    WeekdayTimes,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished, RunRetrying, RunStarted
from turnkeeper_trio.schedules import Weekday

BEGAN = clock.monotonic()


def say(name: str, text: str) -> None:
    print(f"{clock.monotonic() - BEGAN:5.2f} s   {name:<8} {text}", flush=True)


async def tick() -> None:
    """Run once a second."""
    say("tick", f"planned for {current_run().scheduled_at:%H:%M:%S.%f} UTC")


async def fetch_orders(shop: str) -> list[str]:
    """Fail: every attempt takes a moment, and then the shop is down."""
    await anyio.sleep(0.2)
    raise ConnectionError(f"{shop} is down")


def send_report() -> int:
    """Return how many reports were sent. A plain function may block: it runs in a worker thread."""
    clock.sleep(0.5)
    return 1


class Narrator:
    """An observer: it has a method for each kind of event that it wants to receive."""

    def on_run_started(self, event: RunStarted) -> None:
        if event.name != "tick":
            say(event.name, f"attempt {event.attempt} begins")

    def on_run_retrying(self, event: RunRetrying) -> None:
        say(event.name, f"attempt {event.attempt} failed: {event.error}; the next one in {event.delay:g} s")

    def on_run_finished(self, event: RunFinished) -> None:
        if event.record.name != "tick":
            say(event.record.name, str(event.record))


async def main() -> None:
    ticks = RecurringJobRequest("tick", Interval(seconds=1)).with_initial_run_time(timedelta(seconds=0.5))
    fetch = RecurringJobRequest("fetch", After(seconds=1), max_retries=2, retry=FixedRetryDelay(1), timeout=30)
    report = RecurringJobRequest("report", WeekdayTimes([(Weekday.MONDAY, time(9))], timezone="Europe/Berlin"))

    scheduler = None
    try:
        async with open_scheduler(max_workers=4, shutdown_grace=10, observers=[Narrator()]) as scheduler:
            await scheduler.add_job(ticks, tick)
            fetch_id = await scheduler.add_job(fetch, fetch_orders, "berlin-1")
            report_id = await scheduler.add_job(report, send_report)
            details = await scheduler.get_job_details(report_id)
            assert details.next_run_time is not None  # there is a Monday to come
            planned = details.next_run_time.in_timezone("Europe/Berlin")
            say("report", f"planned for {planned:%A, %d %B %Y, %H:%M} in Berlin; we do not wait for that")
            await scheduler.trigger_job_now(report_id)

            record = await scheduler.wait_job(fetch_id)  # until no further run of it is to come
            say("main", f"wait_job says of fetch: {record}")

            await anyio.sleep(1)
            await scheduler.trigger_job_now(report_id)  # once more: it is still executing when the block is left
            await anyio.sleep(0.1)
            print(f"\n{scheduler.get_metrics_snapshot()}\n")
            say("main", "leaves the block")
    finally:
        # Now no task of the scheduler or of a job is alive, and every run is accounted for.
        if scheduler is not None:
            say("main", "has left it")
            print(f"\n{scheduler.shutdown_report}")
            print(f"books: {scheduler.get_metrics_snapshot().books}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A first look at turnkeeper-trio, in about six seconds.")
    parser.add_argument("--backend", choices=["trio", "asyncio"], default="trio", help="the event loop to run on")
    options = parser.parse_args()
    # The observer prints all of it already. Without this line, the failure of fetch is also logged, with its traceback.
    logging.getLogger("turnkeeper_trio").setLevel(logging.CRITICAL)
    try:
        anyio.run(main, backend=options.backend)
    except KeyboardInterrupt:
        raise SystemExit("ended by Ctrl-C") from None
