"""What it costs that jobs outlive the process: one-shot jobs due now, added by as many tasks as there are workers.

By turns, in one process, each with a new file: with no store, with `MemoryStore`, with `SQLiteStore` and
``durability="full"``, and two floors by hand with the same settings of SQLite. `floor`: what somebody writes who needs
nothing else: as many tasks as there are workers, each of which adds a job with an id and a definition in JSON, and ends
its run, awaiting the commit each time; one task commits, in a thread, what has gathered meanwhile. `raw`: two bare rows
for a job, in a loop without tasks and threads, in two transactions for each burst of jobs.

The file is in the folder for temporary files (`TMPDIR`): on a real disk each commit waits for it, in a file system in
memory nothing does. Figures are medians of the turns.
"""

import json
import logging
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from suite import loops
from suite.costs import Cost, Tally, measured
from suite.subjects import Subject
from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio.stores.memory import MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore

WAYS = ("sqlite", "memory", "none", "floor", "raw")
FIGURES = {
    **{f"{way}_per_s": f"runs a second, {way}" for way in WAYS},
    **{f"{way}_us": f"µs of CPU a run, {way}" for way in WAYS},
}


def settings(subject: Subject, scale: str) -> list[dict]:
    """A hundred workers, as the target says."""
    if subject.family != "turnkeeper" or subject.variant != "handle" or subject.loop == "uvloop":
        return []
    if scale == "smoke":
        return [{"workers": 20, "jobs": 200, "turns": 1}]
    return [{"workers": 100, "jobs": 10_000, "turns": 5 if scale == "full" else 3}]


def measure(subject: Subject, *, workers: int, jobs: int, turns: int) -> dict[str, float]:
    """Measure each way by turns."""
    logging.disable(logging.CRITICAL)
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            stores: dict[str, Callable[[], Any]] = {
                "none": lambda: None,
                "memory": MemoryStore,
                "sqlite": lambda folder=folder: SQLiteStore(Path(folder) / "jobs.db"),
            }
            for way, make in stores.items():
                costs[way].append(loops.run(_kept, make(), workers, jobs, loop=subject.loop))
            for way, by_hand in (("floor", partial(loops.run, _floor, loop=subject.loop)), ("raw", _raw)):
                with closing(_opened(Path(folder) / f"{way}.db")) as file:
                    costs[way].append(by_hand(file, workers, jobs))
    figures = {f"{way}_per_s": jobs / statistics.median(cost.wall for cost in costs[way]) for way in WAYS}
    cpu = {f"{way}_us": statistics.median(cost.cpu for cost in costs[way]) / jobs * 1e6 for way in WAYS}
    return figures | cpu


async def _kept(store: Any, workers: int, jobs: int) -> Cost:
    tally, left = Tally(), iter(range(jobs))
    job = tally.job
    async with open_scheduler(max_workers=workers, store=store, job_dispatch_buffer_size=workers) as scheduler:
        scheduler.register("job", job)

        async def submit() -> None:
            for _ in left:
                await scheduler.add_job(RecurringJobRequest("job", After(0)), job)

        with measured() as cost:
            async with anyio.create_task_group() as tasks:
                for _ in range(workers):
                    tasks.start_soon(submit)
            await scheduler.wait_idle()
    if tally.runs != jobs:
        raise RuntimeError(f"{tally.runs} runs of {jobs} jobs")
    return cost


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for setting in ("locking_mode=exclusive", "synchronous=full", "journal_mode=wal", "wal_autocheckpoint=4000"):
        file.execute(f"pragma {setting}")
    file.execute("create table bare_job(id integer primary key, a, b, c, d text)")
    file.execute("create table bare_run(job, entry, a, b, c, d text, primary key(job, entry)) without rowid")
    file.execute("create table job(id blob primary key, state text, due integer, updated integer, definition text)")
    file.execute(
        "create table run(id blob primary key, job blob, state text, attempt integer, started integer, "
        "finished integer, outcome text)"
    )
    return file


def _write_bare(file: sqlite3.Connection, added: list[tuple[int]], ended: list[tuple[int]]) -> None:
    file.execute("begin immediate")
    file.executemany("insert into bare_job values(?, 1, 2, 3, ?)", [(job, "x" * 150) for (job,) in added])
    file.executemany("insert into bare_run values(?, 1, 1, 2, 3, 'yyyyyyyyyyyyyyyyyyyyyyy')", added)
    file.executemany("update bare_job set a = 2 where id = ?", ended)
    file.executemany("update bare_run set a = 2 where job = ? and entry = 1", ended)
    file.execute("commit")


def _raw(file: sqlite3.Connection, burst: int, jobs: int) -> Cost:
    with measured() as cost:
        for begin in range(0, jobs, burst):
            ids = [(job,) for job in range(begin, min(begin + burst, jobs))]
            _write_bare(file, ids, [])
            _write_bare(file, [], ids)
    return cost


def _new_id() -> bytes:
    """Return a unique id that begins with the time, so that those of neighbours share pages of an index."""
    return time.time_ns().to_bytes(8, "big") + os.urandom(8)


def _write(file: sqlite3.Connection, added: list[tuple[Any, ...]], ended: list[tuple[Any, ...]]) -> None:
    """Write the rows of jobs that were added, and of those that have ended, in one transaction."""
    file.execute("begin immediate")
    file.executemany(
        "insert into job values(?, 'active', ?, ?, ?)", [(job, at, at, text) for job, _, at, text in added]
    )
    file.executemany(
        "insert into run values(?, ?, 'started', 1, ?, null, null)", [(run, job, at) for job, run, at, _ in added]
    )
    file.executemany("update job set state = 'finished', updated = ? where id = ?", [(at, job) for job, _, at in ended])
    file.executemany(
        "update run set state = 'ended', finished = ?, outcome = 'succeeded' where id = ?",
        [(at, run) for _, run, at in ended],
    )
    file.execute("commit")


class Gathered:
    """What is to be written by the next transaction, and who waits for it."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []
        self.ended: list[tuple[Any, ...]] = []
        self.written = anyio.Event()


async def _floor(file: sqlite3.Connection, workers: int, jobs: int) -> Cost:
    tally, left = Tally(), iter(range(jobs))
    gathered, wakeup = Gathered(), anyio.Event()

    async def work() -> None:
        for _ in left:
            job, run = _new_id(), _new_id()
            definition = {
                "v": 1,
                "name": "job",
                "schedule": {"kind": "after", "seconds": 0},
                "target": "job",
                "args": [],
            }
            gathered.added.append((job, run, time.time_ns() // 1000, json.dumps(definition)))
            wakeup.set()
            await gathered.written.wait()
            await tally.job()
            gathered.ended.append((job, run, time.time_ns() // 1000))
            wakeup.set()
            await gathered.written.wait()

    async def commit() -> None:
        nonlocal gathered, wakeup
        while True:
            await wakeup.wait()
            now, gathered, wakeup = gathered, Gathered(), anyio.Event()
            await anyio.to_thread.run_sync(_write, file, now.added, now.ended)
            now.written.set()

    with measured() as cost:
        async with anyio.create_task_group() as committing:
            committing.start_soon(commit)
            async with anyio.create_task_group() as working:
                for _ in range(workers):
                    working.start_soon(work)
            committing.cancel_scope.cancel()
    return cost
