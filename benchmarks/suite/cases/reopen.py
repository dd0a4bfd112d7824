"""What it costs to open a scheduler on a file that holds many jobs, all due in more than an hour; and to keep it open.

A process of its own fills the file. `open_ms` and `open_mb` are what the processor and the memory of this process take
until the scheduler is open; imports, and what the first opening of any file prepares, were done before. `share` is what
it takes afterwards, while nothing happens.
"""

import gc
import logging
import multiprocessing
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from suite import loops
from suite.costs import Tally, measured, resident
from suite.subjects import Subject
from turnkeeper_trio import Once, RecurringJobRequest, open_scheduler
from turnkeeper_trio.stores.sqlite import SQLiteStore

FIGURES = {"open_ms": "ms of CPU, opened", "open_mb": "MB of memory, opened", "share": "% of a core, idle"}


def settings(subject: Subject, scale: str) -> list[dict]:
    """A million, as the target says, in a full run."""
    if subject.family != "turnkeeper" or subject.variant != "handle" or subject.loop == "uvloop":
        return []
    jobs, seconds = {"smoke": (300, 0.3), "short": (100_000, 20), "full": (1_000_000, 60)}[scale]
    return [{"jobs": jobs, "seconds": seconds}]


def measure(subject: Subject, *, jobs: int, seconds: float) -> dict[str, float]:
    """Measure it once."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "jobs.db", Path(folder) / "small.db"
        filling = multiprocessing.get_context("spawn").Process(target=fill, args=(path, jobs, subject.loop))
        filling.start()
        filling.join()
        if filling.exitcode:
            raise RuntimeError("the file could not be filled")
        loops.run(_filled, small, 100, loop=subject.loop)
        figures = loops.run(_measure, path, seconds, loop=subject.loop)
        with closing(sqlite3.connect(path)) as file:
            ((kept,),) = file.execute("select count(*) from job where over = 0")
    if kept != jobs:
        raise RuntimeError(f"{kept} jobs of {jobs} are in the file")
    return figures


def fill(path: Path, jobs: int, loop: str) -> None:
    """Fill a file with jobs, in the process that this is called in."""
    loops.run(_filled, path, jobs, loop=loop)


async def _filled(path: Path, jobs: int) -> None:
    job, due = Tally().job, datetime.now(UTC) + timedelta(hours=2)
    async with open_scheduler(max_workers=4, store=SQLiteStore(path, durability="normal")) as scheduler:
        scheduler.register("job", job)
        await scheduler.add_jobs(
            (RecurringJobRequest("job", Once(due + timedelta(milliseconds=number))), job) for number in range(jobs)
        )


async def _measure(path: Path, seconds: float) -> dict[str, float]:
    gc.collect()
    before = resident()
    with measured() as opening:
        opened = open_scheduler(max_workers=4, store=SQLiteStore(path))
        scheduler = await opened.__aenter__()  # the block is what is measured
    try:
        memory = resident() - before
        scheduler.register("job", Tally().job)
        await anyio.sleep(min(seconds, 2))  # what the opening began comes to rest
        with measured() as idle:
            await anyio.sleep(seconds)
    finally:
        await opened.__aexit__(None, None, None)
    return {"open_ms": opening.cpu * 1000, "open_mb": memory / 1e6, "share": idle.cpu / idle.wall * 100}
