"""A program that does nothing but run jobs, until it is told to stop: for systemd, a container, or a terminal.

    python examples/sigterm_daemon.py                     # on trio
    python examples/sigterm_daemon.py --backend asyncio   # on asyncio

The first SIGTERM or Ctrl-C ends it gracefully: runs that execute get five seconds to end. A second one, or the end of
the five seconds, cuts off the other runs. Their `finally` blocks still run, and the program waits for them. A `finally`
block that awaits needs a shield: `with anyio.move_on_after(5, shield=True):`.
"""

import argparse
import logging
from datetime import time

import anyio

from turnkeeper_trio import (
    EVERY_DAY,
    Interval,
    RecurringJobRequest,
    RunContextFilter,
    ShutdownReport,
    WeekdayTimes,
    open_scheduler,
)

log = logging.getLogger("daemon")


async def poll() -> None:
    """Ask something outside, which takes a while."""
    log.info("asking")
    try:
        await anyio.sleep(0.8)
        log.info("asked")
    except anyio.get_cancelled_exc_class():
        log.info("cut off, and tidied up")
        raise


def clean_up_files() -> None:
    """Block, without harm: a plain function runs in a worker thread."""


async def main() -> ShutdownReport:
    async with open_scheduler(max_workers=4, shutdown_grace=5) as scheduler:
        every_second = Interval(seconds=1)
        nightly = WeekdayTimes.on(EVERY_DAY, time(3, 30), timezone="Europe/Berlin")
        await scheduler.add_job(RecurringJobRequest("poll", every_second, timeout=30), poll)
        await scheduler.add_job(RecurringJobRequest("clean up", nightly, max_retries=3), clean_up_files)
        log.info("ready")
        return await scheduler.run_until_signal()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run jobs until SIGTERM or Ctrl-C.")
    parser.add_argument("--backend", choices=["trio", "asyncio"], default="trio", help="the event loop to run on")
    options = parser.parse_args()
    handler = logging.StreamHandler()
    handler.addFilter(RunContextFilter())  # every line of a job says which job it is
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(levelname)s %(name)s [%(job_name)s] %(message)s"
    )
    print(anyio.run(main, backend=options.backend))
