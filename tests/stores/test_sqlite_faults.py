"""The disk is full, does not answer, or is gone, while a store is open; a commit of which nobody knows."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from turnkeeper_trio.abc import Claim, JobQuery, RunQuery
from turnkeeper_trio.errors import StoreCorrupted, StoreError, StoreInUse, StoreUnavailable
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing._store_samples import NOW, StoreDriver, ended, job_id, job_image, run_id

pytestmark = pytest.mark.anyio


def store(path: Path, **options: Any) -> SQLiteStore:
    return SQLiteStore(path, **{"busy_timeout": 0, "offload": "inline", "durability": "full"} | options)


async def opened(path: Path, **options: Any) -> StoreDriver:
    driver = StoreDriver(store(path, **options))
    await driver.open()
    return driver


async def seqs(driver: StoreDriver) -> list[int]:
    return [job.seq for job in await driver.store.read_jobs(JobQuery(limit=1000))]


class FaultyConnection(sqlite3.Connection):
    """Fails at a statement: before it is done, or after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: list[tuple[str, str, int]] = []

    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        if not self.faults or not statement.startswith(self.faults[0][0]):
            return super().execute(statement, *args)
        _, when, code = self.faults.pop(0)
        if when == "after":
            super().execute(statement, *args)
        error = sqlite3.OperationalError("disk I/O error" if code != 0 else "interrupted")
        error.sqlite_errorcode = code
        raise error if code != 0 else KeyboardInterrupt


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each store that is opened from now on use connections that fail when a test says so."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, **kwargs, factory=FaultyConnection))


def fail(driver: StoreDriver, statement: str, when: str = "before", code: int = sqlite3.SQLITE_IOERR_FSYNC) -> None:
    connection = driver.store._session.connection  # type: ignore[attr-defined]
    connection.faults.append((statement, when, code))


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_of_which_nobody_knows(tmp_path: Path, when: str) -> None:
    """The connection is given up. A new one knows if the batch was committed, and its refusals."""
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1, release=False))
    batch = driver.batch(driver.new(2, runs=(ended(2, 1),)), driver.new(1))
    fail(driver, "COMMIT", when)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await driver.store.apply(batch)
    assert driver.store._session.connection is None  # type: ignore[attr-defined]
    assert await seqs(driver) == ([1, 2] if when == "after" else [1])
    (refusal,) = await driver.store.apply(batch)
    assert (refusal.change_id, refusal.reason) == (batch.changes[1].change_id, "its id is taken")
    assert await seqs(driver) == [1, 2]
    assert sum((await driver.store.count()).outcomes.values()) == 1
    assert list(await driver.apply(driver.change(1, job_image(version=2)))) == []
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_an_interrupt_after_a_commit(tmp_path: Path) -> None:
    """Ctrl-C strikes between the commit and its books: the batch is known all the same."""
    driver = await opened(tmp_path / "jobs.db")
    batch = driver.batch(driver.new(1), driver.new(1))
    fail(driver, "COMMIT", "after", 0)
    with pytest.raises(KeyboardInterrupt):
        await driver.store.apply(batch)
    assert len(await driver.store.apply(batch)) == 1
    fail(driver, "COMMIT", "before", 0)
    batch = driver.batch(driver.new(2))
    with pytest.raises(KeyboardInterrupt):
        await driver.store.apply(batch)
    assert await seqs(driver) == [1]
    assert list(await driver.store.apply(batch)) == []
    assert await seqs(driver) == [1, 2]
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_FULL])
async def test_a_claim_of_which_nobody_knows(tmp_path: Path, when: str, code: int) -> None:
    """Its jobs are there for the claim that follows."""
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1, wake_at=NOW), driver.new(2, wake_at=NOW + 1), driver.new(3, wake_at=NOW))
    fail(driver, "COMMIT", when, code)
    with pytest.raises(StoreUnavailable):
        await driver.claim(until=NOW)
    assert await driver.due(NOW) == [1, 3]
    ((synchronous,),) = driver.store._session.connection.execute("PRAGMA synchronous")  # type: ignore[attr-defined]
    assert synchronous == 2
    assert await driver.due(NOW + 1) == [2]
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_a_question_fails(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    fail(driver, "SELECT seq, job FROM job", code=sqlite3.SQLITE_IOERR_READ)
    with pytest.raises(StoreUnavailable):
        await driver.store.read_jobs(JobQuery())
    assert await seqs(driver) == [1]
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_what_was_read_back_is_written_to_the_file_first(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    batch = driver.batch(driver.new(2))
    fail(driver, "COMMIT")
    with pytest.raises(StoreUnavailable):
        await driver.store.apply(batch)
    connect = sqlite3.connect

    def failing(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        connection.faults.append(("PRAGMA wal_checkpoint", "before", sqlite3.SQLITE_IOERR_FSYNC))  # type: ignore[attr-defined]
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", failing)
        with pytest.raises(StoreUnavailable):
            await driver.store.apply(batch)
    assert list(await driver.store.apply(batch)) == []
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("still_open", [True, False])
async def test_somebody_else_opened_it_while_it_could_not_be_used(tmp_path: Path, still_open: bool) -> None:
    """Whoever opened it decides about the jobs from then on."""
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    fail(driver, "BEGIN")
    with pytest.raises(StoreUnavailable):
        await driver.apply(driver.new(2))
    other = StoreDriver(store(tmp_path / "jobs.db"))
    other._openings = 7
    await other.open()
    if not still_open:
        await other.store.close(clean=True)
    for _ in range(2):
        with pytest.raises(StoreInUse):
            await driver.apply(driver.new(3))
    await driver.store.close(clean=False)
    if still_open:
        assert list(await other.apply(other.new(4))) == []
        await other.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_it_cannot_be_opened_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has become read-only, or the file is away: it goes on when that is over."""
    path = tmp_path / "jobs.db"
    driver = await opened(path)
    await driver.apply(driver.new(1))
    batch = driver.batch(driver.new(2))
    fail(driver, "COMMIT")
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await driver.store.apply(batch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(StoreUnavailable, match="cannot be written by this process"):
            await driver.store.apply(batch)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="was moved or deleted"):
        await driver.store.apply(batch)
    (tmp_path / "elsewhere").rename(path)
    assert list(await driver.store.apply(batch)) == []
    assert await seqs(driver) == [1, 2]
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_a_commit_that_cannot_be_rolled_back(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    batch = driver.batch(driver.new(2))
    fail(driver, "COMMIT", code=sqlite3.SQLITE_FULL)
    fail(driver, "ROLLBACK")
    with pytest.raises(StoreUnavailable):
        await driver.store.apply(batch)
    assert driver.store._session.connection is None  # type: ignore[attr-defined]
    assert await seqs(driver) == [1]
    assert list(await driver.store.apply(batch)) == []
    await driver.store.close(clean=True)


@pytest.mark.usefixtures("faulty")
async def test_closing_never_fails_because_of_the_disk(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    fail(driver, "UPDATE node SET clean")
    await driver.store.close(clean=True)
    await driver.open()
    fail(driver, "BEGIN")
    with pytest.raises(StoreUnavailable):
        await driver.apply(driver.new(2))
    await driver.store.close(clean=True)
    await driver.open()
    assert await seqs(driver) == [1]
    await driver.store.close(clean=True)


async def test_the_disk_is_full(tmp_path: Path) -> None:
    """Nothing of the batch is there; questions are answered; and when there is room, it goes on."""
    driver = await opened(tmp_path / "jobs.db")
    await driver.apply(driver.new(1))
    connection = driver.store._session.connection  # type: ignore[attr-defined]
    ((pages,),) = connection.execute("PRAGMA page_count")
    connection.execute(f"PRAGMA max_page_count = {pages}")
    batch = driver.batch(*(driver.new(number, name="x" * 900) for number in range(2, 300)), driver.new(1))
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="is full"):
            await driver.store.apply(batch)
        assert await seqs(driver) == [1]
    connection.execute("PRAGMA max_page_count = 1000000")
    assert len(await driver.store.apply(batch)) == 1
    assert len(await seqs(driver)) == 299
    await driver.store.close(clean=True)


async def test_the_file_was_moved(tmp_path: Path) -> None:
    """What is committed to a file that nobody finds is lost: nothing is, until it is there again."""
    path = tmp_path / "jobs.db"
    driver = await opened(path)
    await driver.apply(driver.new(1))
    batch = driver.batch(driver.new(2))
    path.rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"jobs\.db was moved or deleted while it was open; put it back"):
            await driver.store.apply(batch)
    path.write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="was moved or deleted"):
        await driver.store.apply(batch)
    (tmp_path / "elsewhere").replace(path)
    assert list(await driver.store.apply(batch)) == []
    assert await seqs(driver) == [1, 2]
    await driver.store.close(clean=True)


async def test_the_file_was_deleted(tmp_path: Path) -> None:
    """Closing says so, and the store is closed."""
    path = tmp_path / "jobs.db"
    driver = await opened(path)
    await driver.apply(driver.new(1))
    path.unlink()
    with pytest.raises(StoreUnavailable, match="was moved or deleted"):
        await driver.store.close(clean=True)
    with pytest.raises(StoreError, match="is not open"):
        await driver.store.count()
    with pytest.raises(StoreCorrupted, match=r"jobs\.db is missing, but .*jobs\.db-wal has content of it"):
        await driver.open()
    (tmp_path / "jobs.db-wal").unlink()
    await driver.open()
    assert await seqs(driver) == []
    await driver.store.close(clean=True)


@pytest.mark.real_time
@pytest.mark.parametrize("offload", ["thread", "inline"])
async def test_a_question_that_is_cancelled_breaks_nothing(tmp_path: Path, offload: str) -> None:
    driver = await opened(tmp_path / "jobs.db", offload=offload, durability="normal")
    await driver.apply(*(driver.new(number, runs=(ended(number, 1),)) for number in range(1, 50)))
    for delay in range(20):
        with anyio.move_on_after(delay / 20_000):
            while True:
                await driver.store.read_jobs(JobQuery())
                await driver.store.claim(claim_of(1))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await driver.store.apply(driver.batch(driver.new(99)))
    assert 99 not in await seqs(driver)
    assert list(await driver.apply(driver.new(100))) == []
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(driver.store.count)
            group.start_soon(seqs, driver)
    assert len(await seqs(driver)) == 50
    await driver.store.close(clean=True)


def claim_of(number: int) -> Any:
    return Claim(now=NOW, job_ids=(job_id(number),), run_ids=(run_id(number, 1),))


async def test_a_mistake_is_raised_as_it_is_and_rolled_back(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db")
    batch = driver.batch(driver.new(1), driver.new(2, priority=1 << 70))
    with pytest.raises(OverflowError):
        await driver.store.apply(batch)
    assert await seqs(driver) == []
    assert list(await driver.apply(driver.new(3))) == []
    await driver.store.close(clean=True)


async def test_values_may_be_left_out(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db", keep_values=False)
    runs = (ended(1, 1, value='{"value": "secret"}'), ended(1, 2))
    await driver.apply(driver.new(1, runs=runs))
    found = [run.image.value for run in await driver.store.read_runs(RunQuery())]
    assert found == [None, '{"not_kept": "values are not kept (keep_values=False)"}']
    await driver.store.close(clean=True)
    assert b"secret" not in (tmp_path / "jobs.db").read_bytes()
