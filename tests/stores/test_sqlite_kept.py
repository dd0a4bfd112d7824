"""How much is kept of what has ended: removed bit by bit, never what is needed, and counted all the same."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio.abc import JobQuery, RunQuery
from turnkeeper_trio.stores import Keep
from turnkeeper_trio.stores.sqlite import SQLiteStore, _tool
from turnkeeper_trio.testing._store_samples import NOW, SECOND, StoreDriver, ended, job_id, job_image, run_image

pytestmark = pytest.mark.anyio

NONE = {"per_job": None, "age": None, "total": None}


async def opened(path: Path, **keep: Any) -> StoreDriver:
    driver = StoreDriver(
        SQLiteStore(path, offload="inline", durability="normal", history=Keep(**NONE | keep), busy_timeout=0)
    )
    await driver.open()
    return driver


async def records(driver: StoreDriver, number: int | None = None) -> list[int]:
    job = None if number is None else job_id(number)
    return [run.image.entry for run in await driver.store.read_runs(RunQuery(job_id=job, limit=100_000))]


async def jobs(driver: StoreDriver) -> list[int]:
    return [job.seq for job in await driver.store.read_jobs(JobQuery(limit=100_000))]


async def end(driver: StoreDriver, number: int, entries: Iterable[int], **image: Any) -> None:
    """End one run of a job after the other, each in a batch of its own."""
    for entry in entries:
        state = job_image(**{"entries": entry, "last_run": entry, "last_success": entry} | image)
        at = NOW + entry * SECOND
        run = ended(number, entry, number=entry)
        assert list(await driver.apply(driver.change(number, state, runs=(run,)), at=at)) == []


async def closed(driver: StoreDriver) -> None:
    """Close a store, and have its rows checked."""
    await driver.store.close(clean=True)
    assert _tool.main(["check", driver.store.path]) == 0  # type: ignore[attr-defined]


async def test_so_many_records_of_a_job(tmp_path: Path) -> None:
    """About as many as was said, the newest, and the last success and failure however old."""
    driver = await opened(tmp_path / "jobs.db", per_job=20)
    failure = ended(1, 2, Outcome.FAILED, number=2)
    first = ended(1, 1, number=1)
    await driver.apply(
        driver.new(1, release=False, entries=2, runs=(first, failure), last_failure=2, last_success=1, last_run=2),
        driver.new(2, release=False, runs=(run_image(2, 1),)),
    )
    for entry in range(3, 100):
        await end(driver, 1, [entry], last_failure=2, last_success=1)
        assert len(await records(driver, 1)) <= 20 + 2 + 2
    assert await records(driver, 1) == [*range(99, 78, -1), 2, 1]
    assert (await driver.store.count()).outcomes[Outcome.SUCCEEDED] == 98
    assert (await driver.store.count()).runs == {"due": 1, "ended": 23}
    await closed(driver)


async def test_no_record_but_the_last(tmp_path: Path) -> None:
    driver = await opened(tmp_path / "jobs.db", per_job=0)
    await driver.apply(driver.new(1, release=False))
    await end(driver, 1, range(1, 9), last_success=1)
    assert await records(driver, 1) == [8, 1]
    await closed(driver)


async def test_so_many_records_in_all(tmp_path: Path) -> None:
    """The oldest go first, but for those that are a job's last."""
    driver = await opened(tmp_path / "jobs.db", total=50)
    await driver.apply(*(driver.new(number, release=False) for number in range(1, 11)))
    for entry in range(1, 31):
        for number in range(1, 11 if entry == 1 else 4):
            await end(driver, number, [entry])
    assert (await driver.store.count()).runs == {"ended": 50}
    assert [len(await records(driver, number)) for number in range(1, 11)] == [14, 14, 15, *[1] * 7]
    assert await records(driver, 4) == [1]
    for number in range(4, 11):
        await end(driver, number, [2])
    assert (await driver.store.count()).runs == {"ended": 50}
    for number in range(4, 11):
        assert await records(driver, number) == [2, 1]
    await end(driver, 1, range(31, 1031))  # records that were last once are looked at again
    assert [await records(driver, number) for number in range(4, 11)] == [[2]] * 7
    assert (await driver.store.count()).runs == {"ended": 50}
    assert (await driver.store.count()).outcomes[Outcome.SUCCEEDED] == 97 + 7 + 1000
    await closed(driver)


async def test_as_long_as_was_said(tmp_path: Path) -> None:
    """Records that are older, and jobs that ended before; what is last stays, and what is young."""
    driver = await opened(tmp_path / "jobs.db", age=100)
    await driver.apply(
        *(driver.new(number, release=False, tags=("t",)) for number in (1, 2, 3)),
        driver.new(4, state=JobState.FINISHED, tags=("t", "u"), runs=(ended(4, 1, finished_at=NOW),), last_run=1),
        driver.new(5, deleted=True, runs=(run_image(5, 1),)),
        driver.new(6, state=JobState.CANCELLED, release=False),
    )
    await end(driver, 1, range(1, 50))
    await end(driver, 2, [1])
    await driver.apply(driver.change(3, job_image(state=JobState.FINISHED), release=True), at=NOW + 60 * SECOND)
    assert await jobs(driver) == [1, 2, 3, 4, 6]
    await driver.apply(at=NOW + 120 * SECOND)
    await driver.apply(at=NOW + 120 * SECOND)
    await driver.apply(at=NOW + 120 * SECOND)
    assert await jobs(driver) == [1, 2, 3, 6]
    assert await records(driver) == [1, *range(49, 19, -1)]
    await driver.apply(at=NOW + 170 * SECOND)
    assert await jobs(driver) == [1, 2, 6]
    for _ in range(5):
        await driver.apply(at=NOW + 170 * SECOND)
    assert await records(driver) == [1, 49]
    assert [job.seq for job in await driver.store.read_jobs(JobQuery(tags=frozenset({"t", "u"})))] == [1, 2]
    assert (await driver.claim(job_ids=(job_id(5),))).jobs[0].image.deleted
    assert (await driver.store.count()).outcomes[Outcome.SUCCEEDED] == 51
    await closed(driver)


async def test_so_many_jobs_that_ended(tmp_path: Path) -> None:
    """One-time jobs do not fill the file: the oldest are removed, a few with each commit."""
    driver = await opened(tmp_path / "jobs.db", total=10)
    await driver.apply(driver.new(1, wake_at=NOW), driver.new(2, deleted=True), driver.new(3, deleted=True))
    for number in range(4, 60):
        done = ended(number, 1)
        await driver.apply(
            driver.new(number, state=JobState.FINISHED, runs=(done,), last_run=1), at=NOW + number * SECOND
        )
    assert await jobs(driver) == [1, *range(50, 60)]
    assert len(await records(driver)) == 10
    counts = await driver.store.count()
    assert (counts.outcomes[Outcome.SUCCEEDED], counts.jobs[JobState.FINISHED]) == (56, 10)
    assert list((await driver.claim(job_ids=(job_id(2), job_id(3), job_id(4)))).jobs) == []
    await closed(driver)
