"""Subscriptions: which events come, to which subscriber, and that the scheduler never waits for one."""

import anyio
import pytest
from sample_jobs import fail

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    Never,
    RecurringJobRequest,
    RunPhase,
    SchedulerClosed,
    open_scheduler,
)
from turnkeeper_trio.events import (
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    JobHalted,
    JobPaused,
    JobResumed,
    JobUpdated,
    Lagged,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    RunStuck,
    SchedulerStopped,
    ShutdownStarted,
)

pytestmark = pytest.mark.anyio


async def collect(events, into):
    async for event in events:
        into.append(event)


async def make_everything_happen(scheduler):
    """Make each kind of event happen at least once."""
    retried = RecurringJobRequest("retried", After(0), 1, retry=FixedRetryDelay(1), halt_after=1)
    halted = await scheduler.add_job(retried.replace(schedule=Interval(1)), fail, 0)
    job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), stuck_after=12), anyio.sleep, 15)
    await anyio.sleep(24)
    await scheduler.pause_job(job_id)
    await anyio.sleep(50)
    await scheduler.resume_job(job_id)
    await scheduler.update_job(job_id, priority=1)
    await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("once", After(0)), anyio.sleep, 0))
    await scheduler.cancel_job(job_id)
    await scheduler.delete_job(job_id)
    await scheduler.wait_job(halted)
    return job_id


async def test_every_kind_is_told_in_one_order_to_all_and_sequence_grows_by_one():
    seen, also, observed = [], [], []

    class Observer:
        def __getattr__(self, name):
            if name.startswith("on_"):
                return observed.append
            raise AttributeError(name)

    async with (
        open_scheduler(max_workers=2, observers=[Observer()]) as scheduler,
        scheduler.events() as events,
        scheduler.events() as others,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(collect, events, seen)
        tasks.start_soon(collect, others, also)
        job_id = await make_everything_happen(scheduler)
        await scheduler.shutdown_force()
    assert seen == also == observed
    assert [event.sequence for event in seen] == list(range(seen[0].sequence, seen[0].sequence + len(seen)))
    kinds = {type(event) for event in seen}
    assert kinds >= {
        JobAdded, JobCancelled, JobDeleted, JobFinished, JobHalted, JobPaused, JobResumed, JobUpdated, OccurrenceMissed,
        OccurrenceSkipped, RunFinished, RunRetrying, RunStarted, RunStuck, SchedulerStopped, ShutdownStarted,
    }  # fmt: skip
    assert [event.at for event in seen] == sorted(event.at for event in seen)
    of_job = [type(event) for event in seen if event.job_id == job_id]
    assert of_job[0] is JobAdded
    assert of_job[-1] in {JobDeleted, RunFinished}
    for event in seen:
        assert event.to_json()["sequence"] == event.sequence


async def test_kinds_and_jobs_can_be_chosen_and_the_end_is_always_told():
    async with open_scheduler(max_workers=2) as scheduler:
        request = RecurringJobRequest("job", Interval(10))
        first, second = [await scheduler.add_job(request, anyio.sleep, 0) for _ in range(2)]
        async with (
            scheduler.events(RunFinished, RunStarted) as by_kind,
            scheduler.events(job_id=second) as by_job,
            scheduler.events(RunFinished, job_id=second) as by_both,
            scheduler.events(RunRetrying) as nothing,
        ):
            await anyio.sleep(11)
            await scheduler.pause_all()
            await scheduler.shutdown_force()
            assert [(type(event), event.job_id) async for event in by_both] == [
                (RunFinished, second),
                (SchedulerStopped, None),
            ]
            assert {event.job_id async for event in by_job} == {second, None}
            assert {type(event) async for event in by_kind} == {RunStarted, RunFinished, SchedulerStopped}
            assert [type(event) async for event in nothing] == [SchedulerStopped]
        assert first != second


async def test_subscribe_then_list_misses_nothing_and_tells_nothing_twice():
    """Jobs are added and runs begin all the time; each is in the list, or comes as an event afterwards."""
    for wait in range(8):
        listed, told = set(), set()
        async with open_scheduler(max_workers=20) as scheduler, anyio.create_task_group() as tasks:

            async def come(scheduler=scheduler):
                for _ in range(6):
                    await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 5)
                    await anyio.lowlevel.checkpoint()

            tasks.start_soon(come)
            for _ in range(wait):
                await anyio.lowlevel.checkpoint()
            async with scheduler.events(RunStarted) as events:
                listed = {
                    run.run_id
                    for run in await scheduler.list_active_runs()
                    if run.phase in {RunPhase.EXECUTING, RunPhase.QUEUED}
                }
                await scheduler.wait_idle()
                await scheduler.shutdown_graceful()
                told = {event.run_id async for event in events if isinstance(event, RunStarted)}
            history = {record.run_id for record in await scheduler.get_run_history()}
        assert len(history) == 6
        assert listed | told == history, wait


@pytest.mark.parametrize("buffer", [1, 2, 5])
async def test_a_slow_subscriber_is_told_how_much_it_missed_and_holds_nobody_up(buffer):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(1)), anyio.sleep, 0)
        async with scheduler.events(RunFinished, buffer=buffer) as events:
            await anyio.sleep(20.5)
            first = [await anext(events) for _ in range(buffer)]
            assert [event.record.scheduled_at.second for event in first] == list(range(1, buffer + 1))
            await anyio.sleep(10)
            lagged = await anext(events)
            assert isinstance(lagged, Lagged)
            assert lagged.count == 20 - buffer
            assert (lagged.job_id, lagged.run_id) == (None, None)
            kept = max(1, buffer - 1)  # The `Lagged` is in the buffer, too.
            second = [await anext(events) for _ in range(kept)]
            assert [event.record.scheduled_at.second for event in second] == list(range(21, 21 + kept))
            await anyio.sleep(20)
            await scheduler.shutdown_force()
            rest = [event async for event in events]
            assert isinstance(rest[-1], SchedulerStopped)
            missed = sum(event.count for event in rest if isinstance(event, Lagged))
            assert missed + sum(isinstance(event, RunFinished) for event in rest) == 50 - 20 - kept
        assert len(await scheduler.get_run_history(job_id)) == 50


async def test_one_that_reads_nothing_is_told_the_end_all_the_same():
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(1)), anyio.sleep, 0)
        async with scheduler.events(buffer=1) as events:
            await anyio.sleep(30)
            await scheduler.shutdown_force()
            kinds = [type(event) async for event in events]
            assert kinds == [RunStarted, Lagged, SchedulerStopped]
            with pytest.raises(StopAsyncIteration):
                await anext(events)


async def test_one_that_has_left_is_told_nothing_and_costs_nothing():
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.events() as events:
            pass
        with pytest.raises((anyio.ClosedResourceError, StopAsyncIteration)):
            await anext(events)
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("job", Never()), anyio.sleep, 0))
        await scheduler.wait_idle()
        assert not scheduler._parts.publisher._subscriptions


async def test_what_is_wrong_with_a_subscription():
    async with open_scheduler(max_workers=1) as scheduler:
        for buffer in (0, -1, 1.5, None):
            with pytest.raises(ConfigurationError) as caught:
                async with scheduler.events(buffer=buffer):
                    raise AssertionError
            assert caught.value.parameter == "buffer"
        await scheduler.shutdown_force()
        with pytest.raises(SchedulerClosed):
            async with scheduler.events():
                raise AssertionError
