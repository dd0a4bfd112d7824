"""What a job writes is committed together with its success, or not at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from turnkeeper_trio import (
    After,
    CancelJob,
    ConfigurationError,
    FixedDelay,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.abc import TransactionalStore
from turnkeeper_trio.errors import SchedulerClosed, StoreError, StoreUnavailable
from turnkeeper_trio.stores import MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore, SQLiteTransaction

pytestmark = pytest.mark.anyio

NOW = RecurringJobRequest("job", After(0), key="job")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "jobs.db", durability="normal")
    assert isinstance(store, TransactionalStore)
    return store


def write(transaction: SQLiteTransaction, value: object, *more: int, known: bool = True) -> Any:
    transaction.execute("CREATE TABLE IF NOT EXISTS effect(value)")
    transaction.executemany("INSERT INTO effect VALUES (?)", [(repr(value),), *((each,) for each in more)])
    assert known
    return value


def written(transaction: SQLiteTransaction) -> list[Any]:
    if not transaction.execute("SELECT 1 FROM sqlite_schema WHERE name = 'effect'").fetchall():
        return []
    return [value for (value,) in transaction.execute("SELECT value FROM effect")]


async def run_one(scheduler: Scheduler, fn: Any, request: RecurringJobRequest = NOW) -> Any:
    scheduler.register("fn", fn)
    return await scheduler.wait_job(await scheduler.add_job(request, "fn"))


@pytest.mark.parametrize("value", [7, None, False, {"a": [1]}])
async def test_the_run_succeeds_with_the_value_of_the_work(store: SQLiteStore, value: object) -> None:
    async def job() -> str:
        assert await current_run().complete_with(write, value, 1, known=True) == value
        return "not this"

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert (record.outcome, record.value, record.attempts) == (Outcome.SUCCEEDED, value, 1)
        assert await store.transaction(written) == [repr(value), 1]
        assert scheduler.get_metrics_snapshot().books.succeeded == 1


async def fail() -> None:
    raise ValueError("after it")


async def take_long() -> None:
    await anyio.sleep(100)


async def end_the_job() -> CancelJob:
    return CancelJob("no more")


@pytest.mark.parametrize(
    ("after", "reason"), [(fail, "it raised ValueError after it was completed"), (take_long, ""), (end_the_job, "")]
)
async def test_whatever_the_job_does_then(store: SQLiteStore, after: Any, reason: str) -> None:
    async def job() -> Any:
        await current_run().complete_with(write, 7)
        return await after()

    request = NOW.replace(timeout=5, max_retries=3)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job, request)
        assert (record.outcome, record.value, record.reason) == (Outcome.SUCCEEDED, 7, reason)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        (record,) = await scheduler.get_run_history()
        assert (record.outcome, record.value, record.reason) == (Outcome.SUCCEEDED, 7, reason)


async def test_a_program_that_ends_then_ends(store: SQLiteStore) -> None:
    async def job() -> None:
        await current_run().complete_with(write, 7)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await run_one(scheduler, job)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        (record,) = await scheduler.get_run_history()
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, 7)


async def test_work_that_raises_leaves_nothing_and_the_job_decides(store: SQLiteStore) -> None:
    async def job() -> str:
        with pytest.raises(AssertionError):
            await current_run().complete_with(write, 7, known=False)
        with pytest.raises(sqlite3.OperationalError):
            await current_run().complete_with(lambda transaction: transaction.execute("SELECT * FROM no_such"))
        return "on its own"

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, "on its own")
        assert await store.transaction(written) == []


async def test_a_failed_attempt_may_complete_its_run_later(store: SQLiteStore) -> None:
    async def job() -> None:
        run = current_run()
        if run.attempt == 1:
            raise ValueError(run.attempt)
        await run.complete_with(write, run.attempt)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job, NOW.replace(max_retries=1))
        assert (record.outcome, record.attempts, record.value) == (Outcome.SUCCEEDED, 2, 2)
        assert await store.transaction(written) == ["2"]


async def test_from_a_plain_function(store: SQLiteStore) -> None:
    def job() -> None:
        anyio.from_thread.run(current_run().complete_with, write, 7)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert record.value == 7


async def test_only_once_and_only_while_it_executes(store: SQLiteStore) -> None:
    runs: list[Any] = []

    async def job() -> None:
        runs.append(current_run())
        await current_run().complete_with(write, 7)
        with pytest.raises(RuntimeError, match="has completed the run already"):
            await current_run().complete_with(write, 8)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await run_one(scheduler, job)
        with pytest.raises(RuntimeError, match="does not execute any more"):
            await runs[0].complete_with(write, 9)
        assert await store.transaction(written) == ["7"]
    with pytest.raises(SchedulerClosed):
        await runs[0].complete_with(write, 9)


@pytest.mark.parametrize("patience", [0, 1])
async def test_cancelled_before_its_turn_it_is_not_begun(
    store: SQLiteStore, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes long to take something else meanwhile."""
    begun = anyio.Event()
    apply = store.apply

    async def slow(batch: Any) -> Any:
        await anyio.sleep(5)
        return await apply(batch)

    async def job() -> None:
        begun.set()
        await anyio.sleep(1)
        with anyio.move_on_after(patience):
            await current_run().complete_with(write, 7)
        await anyio.sleep(10)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("fn", job)
        job_id = await scheduler.add_job(NOW, "fn")
        await begun.wait()
        monkeypatch.setattr(SQLiteStore, "apply", lambda _, batch: slow(batch))
        await scheduler.add_job(RecurringJobRequest("other", After(3600)), "fn")
        monkeypatch.undo()
        record = await scheduler.wait_job(job_id)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, None)
        assert await store.transaction(written) == []


async def test_a_forced_shutdown_and_a_deleted_job(store: SQLiteStore) -> None:
    """A run that was completed has succeeded, also where others end interrupted."""
    begun = anyio.Event()

    async def job() -> None:
        await current_run().complete_with(write, 7)
        begun.set()
        await anyio.sleep(100)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("fn", job)
        await scheduler.add_job(NOW, "fn")
        await begun.wait()
        await scheduler.shutdown_force()
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("fn", job)
        await anyio.sleep(1)
        (record,) = await scheduler.get_run_history()
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, 7)
        begun = anyio.Event()
        other = await scheduler.add_job(RecurringJobRequest("other", FixedDelay(10), 0), "fn")
        await begun.wait()
        await scheduler.delete_job(other)
        assert (await scheduler.list_active_runs())[0].name == "other"
        await scheduler.shutdown_force()


FORBIDDEN = [
    "COMMIT",
    "ROLLBACK",
    "PRAGMA user_version = 9",
    "ATTACH ':memory:' AS other",
    "DELETE FROM job",
    "UPDATE node SET batch = 0",
    "DROP TABLE open_run",
    "CREATE INDEX mine ON job(state)",
    "DROP INDEX job_wake",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_what_is_the_stores_is_not_changed(store: SQLiteStore, statement: str) -> None:
    async with open_scheduler(max_workers=1, store=store):
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            await store.transaction(lambda transaction: transaction.execute(statement))


async def test_a_transaction_of_its_own(store: SQLiteStore) -> None:
    kept: list[SQLiteTransaction] = []

    def keep(transaction: SQLiteTransaction) -> None:
        kept.append(transaction)

    def roll_back(transaction: SQLiteTransaction) -> None:
        transaction.execute("CREATE TABLE single(value UNIQUE ON CONFLICT ROLLBACK)")
        for _ in range(2):
            with suppress(sqlite3.IntegrityError):
                transaction.execute("INSERT INTO single VALUES (1)")

    async def coroutine(_: SQLiteTransaction) -> None: ...

    def generator(_: SQLiteTransaction) -> Iterator[None]:
        yield

    with pytest.raises(StoreError, match="not open"):
        await store.transaction(written)
    async with open_scheduler(max_workers=1, store=store):
        assert await store.transaction(write, 7) == 7
        with pytest.raises(AssertionError):
            await store.transaction(write, 8, known=False)
        with pytest.raises(TypeError, match="plain function: it returned a coroutine"):
            await store.transaction(coroutine)
        with pytest.raises(TypeError, match="plain function: it returned a generator"):
            await store.transaction(generator)
        with pytest.raises(StoreError, match="rolled it back"):
            await store.transaction(roll_back)
        await store.transaction(keep)
        with pytest.raises(StoreError, match="over"):
            kept[0].execute("SELECT 1")
        assert await store.transaction(written) == ["7"]


async def test_a_disk_that_fails_meanwhile(store: SQLiteStore, tmp_path: Path) -> None:
    """The work is done again when it is back, and was rolled back before."""
    calls: list[int] = []

    def work(transaction: SQLiteTransaction) -> int:
        calls.append(len(calls))
        write(transaction, len(calls))
        transaction.executemany("INSERT INTO effect VALUES (?)", rows())
        return len(calls)

    def rows() -> Iterator[tuple[str]]:
        if len(calls) == 1:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        yield ("more",)

    async def job() -> None:
        await current_run().complete_with(work)

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert (record.outcome, record.value, len(calls)) == (Outcome.SUCCEEDED, 2, 2)
        assert await store.transaction(written) == ["2", "more"]


async def test_an_answer_that_was_lost_is_found(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails after its commit: what was committed is not done again."""
    lost: list[bool] = []
    complete = store.complete

    async def once_unavailable(completion: Any) -> bool:
        done = await complete(completion)
        lost.append(done)
        if len(lost) == 1:
            raise StoreUnavailable("no answer")
        return done

    monkeypatch.setattr(SQLiteStore, "complete", lambda _, completion: once_unavailable(completion))

    async def job() -> None:
        assert await current_run().complete_with(write, 7) == 7

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert (record.outcome, record.value, lost) == (Outcome.SUCCEEDED, 7, [True, True])
        assert await store.transaction(written) == ["7"]


async def test_values_that_are_not_kept(tmp_path: Path) -> None:
    async def job() -> None:
        await current_run().complete_with(write, 7)

    store = SQLiteStore(tmp_path / "jobs.db", keep_values=False)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, 7)


@pytest.mark.parametrize("other", [None, MemoryStore()])
async def test_without_a_store_that_can_do_it(other: Any) -> None:
    async def job() -> None:
        await current_run().complete_with(write, 7)

    async with open_scheduler(max_workers=1, store=other) as scheduler:
        record = await run_one(scheduler, job)
        assert isinstance(record.error, ConfigurationError)
        assert "SQLiteStore" in str(record.error)


async def test_work_is_a_plain_function(store: SQLiteStore) -> None:
    async def job() -> None:
        for work in (job, 7):
            with pytest.raises(ConfigurationError, match="plain function"):
                await current_run().complete_with(work)  # type: ignore[arg-type]  # what it is about

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        record = await run_one(scheduler, job)
        assert record.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("end", [After(0), FixedDelay(10)])
async def test_a_process_that_dies_before_the_end_of_the_run_is_written(
    store: SQLiteStore, end: Any, deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process finds the success. Here the store fails from then on, which leaves the same in the file."""
    begun: list[int] = []
    completed, go_on = anyio.Event(), anyio.Event()

    async def job() -> None:
        begun.append(current_run().attempt)
        await current_run().complete_with(write, 7)
        completed.set()
        await go_on.wait()

    async def dead(_store: object, _batch: object) -> None:
        raise StoreError("the process died")

    request = RecurringJobRequest("job", end, key="job", initial_run_time=timedelta(0))
    with pytest.raises(StoreError, match="died"):
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("fn", job)
            await scheduler.add_job(request, "fn")
            await completed.wait()
            if deleted:
                await scheduler.delete_job("job")
            monkeypatch.setattr(SQLiteStore, "apply", dead)
            go_on.set()
            await anyio.sleep(100)
    monkeypatch.undo()
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("fn", job)
        await anyio.sleep(1)
        assert begun == [1]
        assert await store.transaction(written) == ["7"]
        records = await scheduler.get_run_history()
        if deleted:
            assert (await store.count()).outcomes[Outcome.SUCCEEDED] == 1
            assert await scheduler.list_all_jobs() == []
        else:
            assert [(record.outcome, record.value, record.attempts) for record in records] == [
                (Outcome.SUCCEEDED, 7, 1)
            ]
            await anyio.sleep(10)
            assert len(begun) == (2 if isinstance(end, FixedDelay) else 1)
