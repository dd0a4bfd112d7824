"""`scheduled()`, `paused()` and keys: the part that the handle itself has in them."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
from sample_jobs import NOW, clean_up, nothing

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Interval,
    JobExists,
    JobNotFound,
    OnConflict,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    WouldDeadlock,
    current_run,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished

pytestmark = pytest.mark.anyio

TICK = RecurringJobRequest("tick", Interval(seconds=10))


async def test_a_scoped_job_lasts_as_long_as_its_block_and_its_run_is_waited_for() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.scheduled(TICK, anyio.sleep, 5) as job_id:
            await anyio.sleep(22)
            assert len(await scheduler.list_active_runs(job_id)) == 1
        assert anyio.current_time() == 25
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details(job_id)
        assert scheduler.get_metrics_snapshot().books.succeeded == 2


@pytest.mark.parametrize("way", ["exception", "cancellation"])
async def test_a_scoped_jobs_run_is_cancelled_by_what_goes_through_its_block(way: str) -> None:
    cleaned: list[float] = []

    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.move_on_after(15), pytest.raises(LookupError) if way == "exception" else anyio.CancelScope():
            async with scheduler.scheduled(TICK, clean_up, 3, cleaned):
                await anyio.sleep(12)
                if way == "exception":
                    raise LookupError
                await anyio.sleep_forever()
        assert cleaned == [15 if way == "exception" else 18]
        assert scheduler.get_metrics_snapshot().books.cancelled >= 1
        assert await scheduler.list_all_jobs() == []


async def test_a_scoped_job_may_outlive_its_scheduler() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        scoped = scheduler.scheduled(TICK, nothing)
        await scoped.__aenter__()
    await scoped.__aexit__(None, None, None)
    assert scheduler.get_metrics_snapshot().books.balanced


async def test_while_everything_is_paused_nothing_begins() -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(TICK, job)
        await anyio.sleep(15)
        await scheduler.pause_all(note="upgrade")
        await anyio.sleep(30)
        await scheduler.resume_all()
        await anyio.sleep(10)
        assert ran == [10, 45, 50]
        assert scheduler.get_metrics_snapshot().books.missed == 2


async def test_a_block_that_pauses_waits_for_what_executes_unless_told_not_to() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep, 8)
        await anyio.sleep(1)
        async with scheduler.paused(wait=False):
            assert anyio.current_time() == 1
        async with scheduler.paused(note="backup"):
            assert anyio.current_time() == 8
            job_id = await scheduler.add_job(NOW, nothing)
            await anyio.sleep(5)
            assert [run.phase.value for run in await scheduler.list_active_runs()] in ([], ["queued"])
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.started_at == scheduler.now()
        assert anyio.current_time() == 13


async def test_a_pause_that_is_given_up_pauses_nothing() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep, 50)
        await anyio.sleep(1)
        with anyio.move_on_after(5) as scope:
            async with scheduler.paused():
                pytest.fail("it did not wait")
        assert scope.cancelled_caught
        record = await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
        assert record is not None
        assert record.lateness == 0


async def test_a_job_may_not_wait_until_no_job_executes() -> None:
    async def job() -> str:
        with pytest.raises(WouldDeadlock):
            async with current_scheduler().paused():
                pytest.fail("it waited for itself")
        async with current_scheduler().paused(wait=False):
            return "paused"

    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, job))
        assert record is not None
        assert record.unwrap() == "paused"


async def test_a_key_that_is_taken_is_refused_where_asked_also_to_one_that_stands_in_line(store: Any) -> None:
    keyed = RecurringJobRequest("keyed", After(100), key="orders")
    refused: list[str] = []

    async def submit() -> None:
        with pytest.raises(JobExists):
            await scheduler.add_job(keyed, "nothing", on_conflict=OnConflict.RAISE)
        refused.append("refused")

    store.delay = 10  # while the coordinator waits for the store, no room is made
    async with open_scheduler(max_workers=1, staging_buffer_size=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.add_job, RecurringJobRequest("first"), "nothing")
            await anyio.sleep(1)
            job_id = scheduler.try_add_job(keyed, "nothing")
            for _ in range(3):
                group.start_soon(submit)
            await anyio.sleep(1)
            assert refused == []
        assert refused == ["refused"] * 3
        store.delay = 0
        with pytest.raises(JobExists) as error:
            await scheduler.add_job(keyed, "nothing", on_conflict=OnConflict.RAISE)
        assert error.value.job_id == job_id
        with pytest.raises(JobExists):
            scheduler.try_add_job(keyed, "nothing", on_conflict=OnConflict.RAISE)
        with pytest.raises(ConfigurationError) as wrong:
            await scheduler.update_job(job_id, key="other")
        assert wrong.value.parameter == "key"
        assert scheduler.get_metrics_snapshot().jobs_submitted == 2


async def test_what_comes_next_is_told_in_its_order() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        begin = scheduler.now()
        await scheduler.add_job(TICK, nothing)
        await scheduler.add_job(RecurringJobRequest("once", After(25)), nothing)
        upcoming = await scheduler.upcoming_runs(until=begin + timedelta(seconds=35))
        seconds = [(run.name, (run.scheduled_at - begin).total_seconds()) for run in upcoming]
        assert seconds == [("tick", 10), ("tick", 20), ("once", 25), ("tick", 30)]
        assert len(await scheduler.upcoming_runs(limit=2)) == 2
        with pytest.raises(ConfigurationError, match="limit"):
            await scheduler.upcoming_runs(limit=0)


async def test_events_may_be_iterated_over_and_end_with_the_scheduler() -> None:
    heard: list[Any] = []

    async def listen(task_status: Any) -> None:
        async with scheduler.events(RunFinished, buffer=2) as events:
            task_status.started()
            heard.extend([type(event).__name__ async for event in events])

    async with anyio.create_task_group() as group, open_scheduler(max_workers=1) as scheduler:
        await group.start(listen)
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    assert heard == ["RunFinished", "SchedulerStopped"]
    with pytest.raises(SchedulerClosed):
        async with scheduler.events():
            pytest.fail("it will hear nothing any more")


async def test_a_subscriber_that_is_slow_is_told_what_it_missed() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.events(buffer=2) as events:
            for _ in range(3):
                await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
            first = [type(await anext(events)).__name__ for _ in range(2)]
            await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
            lagged = await anext(events)
        assert first == ["JobAdded", "RunStarted"]
        assert (type(lagged).__name__, lagged.count) == ("Lagged", 10)  # type: ignore[attr-defined]


async def test_a_run_that_is_over_has_no_timeout_to_extend() -> None:
    contexts: list[Any] = []

    async def job() -> None:
        contexts.append(current_run())
        current_run().extend_timeout(5)
        await anyio.sleep(8)

    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=5), job))
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
        contexts[0].extend_timeout(5)
        assert not contexts[0].executing
