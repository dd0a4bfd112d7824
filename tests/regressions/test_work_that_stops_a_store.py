"""Faults of a user's work in a transaction stopped the whole store.

An error of SQLite with a code such as ``SQLITE_LOCKED`` or ``SQLITE_CANTOPEN`` was taken for one of the disk, whoever
had caused it. So a job that dropped a table which a cursor of its own still read, or that opened another file that was
not there, was offered again and again, and nothing else was committed meanwhile. A temporary table hid one of the
store's, because SQLite looks for names among those first: the next commit failed. A cursor that the work returned with
rows left kept the file locked after the store was closed.

A cursor gave away its connection, which the work could close, or tell to read rows in another way: the store failed at
its next statement. A temporary table hid one of the store's if its name was written in capitals, because SQLite tells a
new name as it is written. And a full disk of another file, which the work had opened itself, was taken for the store's.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, Scheduler, current_run, open_scheduler
from turnkeeper_trio.stores.sqlite import SQLiteStore, SQLiteTransaction

pytestmark = pytest.mark.anyio


def drop_what_is_read(transaction: SQLiteTransaction) -> None:
    transaction.execute("CREATE TABLE effect(value)")
    transaction.executemany("INSERT INTO effect VALUES (?)", [(1,), (2,)])
    reading = transaction.execute("SELECT value FROM effect")
    reading.fetchone()
    transaction.execute("DROP TABLE effect")


def open_another_file(transaction: SQLiteTransaction) -> None:
    del transaction
    sqlite3.connect("/there/is/no/such/folder/other.db")


def hide_by_table(transaction: SQLiteTransaction) -> None:
    transaction.execute("CREATE TEMP TABLE job(value)")


def hide_by_view(transaction: SQLiteTransaction) -> None:
    transaction.execute("CREATE TEMP VIEW node AS SELECT 1 AS one")


def watch(transaction: SQLiteTransaction) -> None:
    transaction.execute("CREATE TEMP TRIGGER watch BEFORE UPDATE ON main.job BEGIN SELECT 1; END")


def hide_by_capitals(transaction: SQLiteTransaction) -> None:
    transaction.execute('CREATE TEMP TABLE "JOB"(value)')


def close(transaction: SQLiteTransaction) -> None:
    transaction.execute("SELECT 1").connection.close()


def read_otherwise(transaction: SQLiteTransaction) -> None:
    transaction.execute("SELECT 1").connection.text_factory = bytes


def fill_another_file(transaction: SQLiteTransaction) -> None:
    del transaction
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("PRAGMA max_page_count = 2")
        other.execute("CREATE TABLE effect AS SELECT zeroblob(100000)")


FAULTY = [
    drop_what_is_read,
    open_another_file,
    hide_by_table,
    hide_by_view,
    watch,
    hide_by_capitals,
    close,
    read_otherwise,
    fill_another_file,
]


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def nothing() -> None:
    pass


async def run_one(scheduler: Scheduler, name: str) -> Outcome:
    return (await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), name))).outcome


@pytest.mark.parametrize("work", FAULTY)
async def test_only_the_job_fails(work: Callable[[SQLiteTransaction], None], tmp_path: Path) -> None:
    async def job() -> None:
        await current_run().complete_with(work)

    store = SQLiteStore(tmp_path / "jobs.db", durability="normal")
    async with open_scheduler(max_workers=1, store=store, shutdown_grace=0, store_timeout=0) as scheduler:
        scheduler.register("job", job)
        scheduler.register("nothing", nothing)
        assert await run_one(scheduler, "job") is Outcome.FAILED
        with pytest.raises(sqlite3.Error):
            await store.transaction(work)
        assert await run_one(scheduler, "nothing") is Outcome.SUCCEEDED


def read_in_each_way(transaction: SQLiteTransaction) -> list[Any]:
    cursor = transaction.execute("SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5")
    cursor.arraysize = 1
    rows = [cursor.fetchone(), *cursor.fetchmany(), *cursor.fetchmany(2), next(cursor), *cursor.fetchall()]
    cursor.execute("CREATE TABLE effect(value)").executemany("INSERT INTO effect VALUES (?)", [(6,)])
    return [*rows, *cursor.execute("SELECT value FROM effect")]


async def test_a_cursor_reads_as_any_other(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "jobs.db", durability="normal")
    async with open_scheduler(max_workers=1, store=store):
        assert await store.transaction(read_in_each_way) == [(1,), (2,), (3,), (4,), (5,), (6,)]


async def test_a_cursor_is_closed_with_its_transaction(tmp_path: Path) -> None:
    def read(transaction: SQLiteTransaction) -> Any:
        return transaction.execute("SELECT 1 UNION SELECT 2")

    store = SQLiteStore(tmp_path / "jobs.db", durability="normal", busy_timeout=0)
    async with open_scheduler(max_workers=1, store=store):
        cursor = await store.transaction(read)
        with pytest.raises(sqlite3.ProgrammingError):
            cursor.fetchall()
    async with open_scheduler(max_workers=1, store=store):
        pass


async def test_a_relative_path_after_the_folder_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was looked for by its relative path at each commit, and so was taken for one that had been moved."""
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("jobs.db", durability="normal")
    async with open_scheduler(max_workers=1, store=store, shutdown_grace=0, store_timeout=0) as scheduler:
        scheduler.register("nothing", nothing)
        os.chdir("/")
        assert await run_one(scheduler, "nothing") is Outcome.SUCCEEDED
    assert store.path == "jobs.db"
    assert files(tmp_path) == ["jobs.db"]
