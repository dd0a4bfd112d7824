"""A store may still refuse what it has not committed: a question about it is answered after the commit."""

from typing import Any

import anyio
import pytest
from sample_jobs import nothing

from turnkeeper_trio import (
    After,
    Interval,
    JobNotFound,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    ShutdownTimeout,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", After(1_000))


async def test_the_details_of_a_job_are_told_once_it_is_committed(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        job_id = scheduler.try_add_job(LATER, "nothing")
        details = await scheduler.get_job_details(job_id)
        assert anyio.current_time() == 5
        assert (details.job_id, details.name) == (job_id, "later")
        assert [change.new for change in store.changes] == [True]


async def test_not_before_the_store_is_available(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    store.unavailable = True
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)

        async def come_back() -> None:
            await anyio.sleep(20.5)
            store.unavailable = False

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come_back)
            job_id = scheduler.try_add_job(LATER, "nothing")
            assert (await scheduler.get_job_details(job_id)).job_id == job_id
            assert 20.5 < anyio.current_time() < 25.5
    assert "unavailable" in caplog.text


async def test_what_it_refuses_was_never_there(store: Any) -> None:
    store.delay = 5
    store.refuse = lambda change: "not ours" if change.new else None
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        job_id = scheduler.try_add_job(LATER, "nothing")
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details(job_id)
        assert anyio.current_time() == 5
        assert await scheduler.list_all_jobs() == []


async def test_a_change_of_it_comes_after_its_commit_and_in_the_order_asked(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        job_id = scheduler.try_add_job(LATER, "nothing")
        versions = []

        async def update(number: int) -> None:
            await scheduler.update_job(job_id, name=f"job {number}")
            versions.append((await scheduler.get_job_details(job_id)).version)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(update, number)
        details = await scheduler.get_job_details(job_id)
        assert details.version == 4
        assert len(versions) == 3


async def test_each_of_many_that_are_submitted_during_commits_is_told(store: Any) -> None:
    store.delay = 0.5
    async with open_scheduler(max_workers=2, store=store) as scheduler:
        scheduler.register("nothing", nothing)

        async def submit(number: int) -> None:
            await anyio.sleep(number / 10)
            request = RecurringJobRequest(f"job {number}", Interval(seconds=100))
            job_id = scheduler.try_add_job(request, "nothing")
            details = await scheduler.get_job_details(job_id)
            assert details.name == request.name

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(submit, number)
        assert len(await scheduler.list_all_jobs()) == 50


async def test_the_instants_that_pass_during_a_commit_are_not_forgotten(store: Any) -> None:
    """The deadline of the coordinator's sleep passes while it waits for the store, and must not cut off that wait."""
    async with open_scheduler(max_workers=4, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        ids = [await scheduler.add_job(RecurringJobRequest(str(at), After(at)), "nothing") for at in (10, 11, 12, 13)]
        store.delay = 7
        records = [await scheduler.wait_job(job_id) for job_id in ids]
        assert [record and record.outcome for record in records] == [Outcome.SUCCEEDED] * 4
        assert scheduler.get_metrics_snapshot().books.balanced


@pytest.mark.parametrize("forced_after", [0, 0.5, 5, 20])
async def test_who_asked_is_answered_when_it_shuts_down_before_the_commit(store: Any, forced_after: float) -> None:
    store.delay = 10
    answers: list[Any] = []

    async with anyio.create_task_group() as tasks, open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        job_id = scheduler.try_add_job(LATER, "nothing")

        async def ask() -> None:
            try:
                answers.append((await scheduler.get_job_details(job_id)).job_id)
            except SchedulerClosed as exc:
                answers.append(exc)

        tasks.start_soon(ask)
        await anyio.sleep(forced_after)
        with pytest.raises(ShutdownTimeout, match="a store"):  # It gives the job back to the store, which takes time.
            await scheduler.shutdown_force(timeout=1)
    assert len(answers) == 1
    assert scheduler.get_metrics_snapshot().books.balanced


async def test_a_schedule_counts_from_when_its_job_was_staged_not_from_the_commit_it_waited_for(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        began = scheduler.now()
        scheduler.try_add_job(LATER, "nothing")
        await anyio.sleep(1)  # the coordinator waits for the commit
        record = await scheduler.wait_job(scheduler.try_add_job(RecurringJobRequest("after", After(2)), "nothing"))
        assert record is not None
        assert record.started_at is not None
        assert (record.scheduled_at - began).total_seconds() == 3
        assert (record.started_at - began).total_seconds() == 10  # after that commit, and its own


async def test_who_waits_for_room_in_staging_is_accepted_when_there_is_room(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store, staging_buffer_size=1) as scheduler:
        scheduler.register("nothing", nothing)
        scheduler.try_add_job(LATER, "nothing")
        await anyio.sleep(1)  # the coordinator waits for the commit
        scheduler.try_add_job(RecurringJobRequest("every", Interval(60)), "nothing")
        waited = await scheduler.add_job(RecurringJobRequest("waits", Interval(60)), "nothing")
        first = {job.name: job.next_run_time for job in await scheduler.list_all_jobs()}
        assert (first["waits"] - first["every"]).total_seconds() == 4
        assert (await scheduler.get_job_details(waited)).next_run_time == first["waits"]
