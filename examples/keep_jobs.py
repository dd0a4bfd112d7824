"""A small service whose jobs outlive it: they are in a SQLite file, and the next start goes on where this one ended.

    python examples/keep_jobs.py jobs.db                     # on trio
    python examples/keep_jobs.py jobs.db --backend asyncio   # on asyncio

End it with SIGTERM or Ctrl-C, or kill it, and start it again. `count` begins again if it was cut off. `once` was
planned at the first start, and is not planned again. Only one process may have the file open: a second one says so, and
ends.
"""

import argparse
import sys

import anyio

from turnkeeper_trio import After, Interval, JobSet, OnConflict, RecurringJobRequest, current_run, open_scheduler
from turnkeeper_trio.errors import StoreInUse
from turnkeeper_trio.stores.sqlite import SQLiteStore

jobs = JobSet(name="service")


@jobs.job("tick", Interval(seconds=1))
async def tick() -> None:
    print("tick, planned for", current_run().scheduled_at.format("HH:mm:ss.SSS"))


async def count(end: int) -> None:
    """Take a while: long enough to be cut off."""
    run = current_run()
    print("count", run.run_key, "attempt", run.attempt)
    for number in range(end):
        await anyio.sleep(0.1)
        print("counted", number + 1)
    print("count has ended")


async def once(customer: str) -> None:
    print("hello,", customer)


async def main(path: str) -> None:
    async with open_scheduler(max_workers=4, shutdown_grace=0, store=SQLiteStore(path)) as scheduler:
        # Functions have names: the file knows jobs by them.
        scheduler.register("service.count", count)
        scheduler.register("service.once", once)
        # The code of the first start is the code of each start: what is there already stays as it is.
        print(await scheduler.apply(jobs))
        keep = OnConflict.KEEP  # Without it, a job that has finished would begin again.
        await scheduler.add_job(RecurringJobRequest("count", After(0), key="count"), count, 20, on_conflict=keep)
        await scheduler.add_job(RecurringJobRequest("once", After(3), key="once"), once, "Ada", on_conflict=keep)
        print("ready")
        print(await scheduler.run_until_signal())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run jobs that are kept in a file, until SIGTERM or Ctrl-C.")
    parser.add_argument("file", help="the file of the store; it is made if there is none")
    parser.add_argument("--backend", choices=["trio", "asyncio"], default="trio", help="the event loop to run on")
    options = parser.parse_args()
    try:
        anyio.run(main, options.file, backend=options.backend)
    except StoreInUse as error:
        sys.exit(str(error))
