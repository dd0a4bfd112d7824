"""The store's seam: a store commits before anything is done, may refuse, and may be unavailable."""

import json
from typing import Any

import anyio
import pytest
from sample_jobs import NOW, clean_up, nothing

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    InternalError,
    Interval,
    JobNotFound,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    ShutdownTimeout,
    open_scheduler,
)
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio.errors import SubmissionRefused

pytestmark = pytest.mark.anyio


async def test_a_store_is_told_every_change_in_order(store: Any) -> None:
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("shop.nothing", nothing)
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "shop.nothing", 1)
        await anyio.sleep(11)
        await scheduler.delete_job(job_id)
    assert [change.change_id for change in store.changes] == list(range(1, len(store.changes) + 1))
    assert {change.job_id for change in store.changes} == {job_id}
    kinds = store.kinds()
    assert kinds[0] == "job_accepted"
    assert [kind for kind in kinds if kind.startswith("run")] == ["run_started", "run_ended", "run_ended"]
    assert "job_deleted" in kinds
    accepted = store.changes[0].data
    assert (accepted["name"], accepted["target"], accepted["args"]) == ("job", "shop.nothing", [1])
    for change in store.changes:
        json.dumps(change.data)
        assert change.version == 1


async def test_an_idle_scheduler_does_not_bother_its_store(store: Any) -> None:
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.list_all_jobs()
        await anyio.sleep(100)
    assert store.calls == 0


async def test_a_job_is_owned_once_the_store_has_committed_it(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.add_job(RecurringJobRequest("later", After(100)), nothing)
        assert anyio.current_time() == 5
        assert store.kinds()[0] == "job_accepted"


async def test_no_body_starts_before_the_store_has_committed_that_it_does(store: Any) -> None:
    started: list[float] = []

    async def job() -> None:
        started.append(anyio.current_time())
        assert "run_started" in store.kinds()

    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        job_id = await scheduler.add_job(NOW, job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
        assert started == [5]
        # The outcome is published after its commit, too.
        assert anyio.current_time() == 10


async def test_a_refused_job_is_not_in_the_books(store: Any) -> None:
    store.refused.add(ChangeKind.JOB_ACCEPTED)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        with pytest.raises(SubmissionRefused, match="not ours") as refused:
            await scheduler.add_job(NOW, nothing, 1, kwargs={"two": 2})
        assert (refused.value.request, refused.value.args, refused.value.kwargs) == (NOW, (1,), {"two": 2})
        job_id = scheduler.try_add_job(NOW, nothing)
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details(job_id)
        store.refused.clear()
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_submitted, metrics.books.planned, metrics.books.succeeded) == (1, 1, 1)


async def test_a_run_that_somebody_else_owns_does_not_start(store: Any) -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), job)
        store.refused.add(ChangeKind.RUN_STARTED)
        await anyio.sleep(25)
        store.refused.clear()
        await anyio.sleep(10)
        assert ran == [30]
        assert scheduler.get_metrics_snapshot().books.balanced
        assert scheduler.get_metrics_snapshot().books.planned == 2
        assert len(await scheduler.get_run_history(job_id)) == 1


async def test_a_store_that_is_unavailable_is_asked_again_and_nothing_is_lost(
    store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), job)
        store.unavailable = True
        await anyio.sleep(13.5)
        assert ran == []
        store.unavailable = False
        await anyio.sleep(10)
        assert ran == [14, 20]
        assert scheduler.get_metrics_snapshot().books.balanced
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ["the store is unavailable (no route to the database); next try in 1 s"] * 4
    assert [change.change_id for change in store.changes] == list(range(1, len(store.changes) + 1))


async def test_a_submitter_is_not_cancelled_while_its_commit_is_under_way(store: Any) -> None:
    store.delay = 5
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        with anyio.move_on_after(2) as scope:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(100)), nothing)
            assert anyio.current_time() == 5
            await anyio.sleep(1)
        assert scope.cancelled_caught
        assert (await scheduler.get_job_details(job_id)).name == "job"


@pytest.mark.parametrize("how", ["unavailable", "slow"])
async def test_force_does_not_wait_for_the_store(store: Any, how: str) -> None:
    """Regression: the runs were cut off only in the turn after the commit."""
    interrupted: list[float] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            interrupted.append(anyio.current_time())

    async with open_scheduler(max_workers=2, store=store) as scheduler:
        job_id = await scheduler.add_job(NOW, job)
        await anyio.sleep(1)
        if how == "slow":
            store.delay = 50
        else:
            store.unavailable = True
        scheduler.try_add_job(RecurringJobRequest("another", After(100)), nothing)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_force(3)
        assert interrupted == [2]
        store.unavailable, store.delay = False, 0
    assert scheduler.shutdown_report is not None
    assert [record.job_id for record in scheduler.shutdown_report.interrupted] == [job_id]
    assert scheduler.get_metrics_snapshot().books.balanced


async def test_a_timeout_does_not_wait_for_the_store(store: Any) -> None:
    ended: list[float] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(anyio.current_time())

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=3), job)
        await anyio.sleep(1)
        store.delay = 50
        scheduler.try_add_job(RecurringJobRequest("another", After(100)), nothing)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.TIMED_OUT
        assert ended == [3]
        store.delay = 0


async def test_a_shutdown_that_only_waits_for_the_store_says_so(store: Any) -> None:
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        store.unavailable = True
        scheduler.try_add_job(RecurringJobRequest("job", After(100)), nothing)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout, match="a store"):
            await scheduler.shutdown_graceful(5)
        store.unavailable = False


async def test_a_store_that_raises_something_else_ends_the_scheduler_and_answers_everybody(store: Any) -> None:
    async def broken(changes: Any) -> Any:
        raise LookupError("no such table")

    answers: list[str] = []

    async def submit() -> None:
        with pytest.raises(SchedulerClosed):
            await scheduler.add_job(NOW, nothing)
        answers.append("closed")

    async with anyio.create_task_group() as group:
        with pytest.raises(InternalError) as left:
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                await scheduler.add_job(NOW, clean_up, 3)
                await anyio.sleep(1)
                store.apply = broken
                group.start_soon(submit)
                await anyio.sleep_forever()
    assert isinstance(left.value.__cause__, LookupError)
    assert answers == ["closed"]
    assert anyio.current_time() == 4
    assert scheduler.get_metrics_snapshot().books.balanced


async def test_retries_and_cancellations_reach_the_store(store: Any) -> None:
    async def fail() -> None:
        raise ValueError

    async with open_scheduler(max_workers=1, store=store) as scheduler:
        request = RecurringJobRequest("job", After(0), 2, retry=FixedRetryDelay(1))
        await scheduler.wait_job(await scheduler.add_job(request, fail))
        other = await scheduler.add_job(RecurringJobRequest("other", After(100)), nothing)
        await scheduler.cancel_job(other, reason="enough")
    started = [change.data["attempt"] for change in store.changes if change.kind is ChangeKind.RUN_STARTED]
    ended = [change.data for change in store.changes if change.kind is ChangeKind.RUN_ENDED]
    assert started == [1, 2, 3]
    assert [(data["outcome"], data["reason"]) for data in ended] == [
        ("failed", "it raised ValueError"),
        ("cancelled", "enough"),
    ]
