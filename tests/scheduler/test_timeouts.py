"""Timeouts, and which of several deadlines the record names: the one that struck first."""

from itertools import permutations

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from sample_jobs import clean_up

from turnkeeper_trio import (
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    Never,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunPhase,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished, RunStuck

pytestmark = pytest.mark.anyio


STRIKES = {
    "timeout": (Outcome.TIMED_OUT, "it did not end within its timeout"),
    "cancel": (Outcome.CANCELLED, "by hand"),
    "replace": (Outcome.CANCELLED, "replaced by the next occurrence"),
    "shutdown": (Outcome.INTERRUPTED, "cut off by the shutdown"),
}


@pytest.mark.parametrize(("first", "second"), [*permutations(STRIKES, 2)])
async def test_the_record_names_the_one_that_struck_first(first, second):
    """Both deadlines pass, three seconds apart, while the run cleans up for ten seconds."""
    at = {first: 5, second: 8}
    async with open_scheduler(max_workers=2) as scheduler, anyio.create_task_group() as tasks:
        request = RecurringJobRequest("job", Never(), overlap=Overlap.CANCEL_OTHER, timeout=at.get("timeout"))
        job_id = await scheduler.add_job(request, clean_up, 10)
        run_id = await scheduler.trigger_job_now(job_id)

        async def strike(what):
            await anyio.sleep(at[what])
            if what == "cancel":
                await scheduler.cancel_run(run_id, reason="by hand")
            elif what == "replace" and not scheduler.is_closed:
                await scheduler.trigger_job_now(job_id)
            elif what == "shutdown":
                await scheduler.shutdown_force()

        for what in at:
            tasks.start_soon(strike, what)
        record = await scheduler.wait_run(run_id)
        assert anyio.current_time() == 15
        assert record.outcome is STRIKES[first][0]
        assert record.reason.startswith(STRIKES[first][1])
        assert record.duration == 15
        await scheduler.shutdown_force()
    assert scheduler.get_metrics_snapshot().books.balanced


@pytest.mark.parametrize("asked", ["cancel", "replace"])
async def test_a_run_cancelled_after_its_timeout_is_not_tried_again(asked):
    async with open_scheduler(max_workers=2, shutdown_grace=0) as scheduler:
        request = RecurringJobRequest(
            "job", Never(), 5, retry=FixedRetryDelay(1), overlap=Overlap.CANCEL_OTHER, timeout=5
        )
        job_id = await scheduler.add_job(request, clean_up, 10)
        run_id = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(7)
        if asked == "cancel":
            record = await scheduler.cancel_run(run_id)
        else:
            await scheduler.trigger_job_now(job_id)
            record = await scheduler.wait_run(run_id)
        assert (record.outcome, record.attempts) == (Outcome.TIMED_OUT, 1)
        assert anyio.current_time() == 15


async def test_a_timeout_is_cleaned_up_after_and_told_as_stuck_beyond_its_grace():
    async with (
        open_scheduler(max_workers=1, cleanup_grace=4) as scheduler,
        scheduler.events(RunStuck, RunFinished) as told,
    ):
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("job", timeout=5), clean_up, 10))
        await anyio.sleep(6)
        (run,) = await scheduler.list_active_runs()
        assert (run.phase, run.running_for) == (RunPhase.CLEANING_UP, 1)
        event = await anext(told)
        assert (anyio.current_time(), event.phase, event.running_for) == (9, RunPhase.STUCK, 4)
        assert (await anext(told)).record.outcome is Outcome.TIMED_OUT


async def test_each_attempt_has_its_own_timeout():
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Never(), 2, retry=FixedRetryDelay(10), timeout=5)
        run_id = await scheduler.trigger_job_now(await scheduler.add_job(request, clean_up, 0))
        record = await scheduler.wait_run(run_id)
        assert (record.outcome, record.attempts, record.duration) == (Outcome.TIMED_OUT, 3, 15)
        assert anyio.current_time() == 35


async def test_one_that_returns_or_raises_although_its_timeout_struck_says_so():
    async def job(then):
        try:
            await clean_up(0)
        except anyio.get_cancelled_exc_class():
            if then is not None:
                raise then from None

    async with open_scheduler(max_workers=2) as scheduler:
        records = []
        for then in (None, OSError("no")):
            job_id = await scheduler.add_job(RecurringJobRequest("job", timeout=5), job, then)
            records.append(await scheduler.wait_run(await scheduler.trigger_job_now(job_id)))
        assert [record.outcome for record in records] == [Outcome.SUCCEEDED, Outcome.FAILED]
        assert records[1].reason == "it raised OSError"


@pytest.mark.parametrize("how", ["coroutine", "thread", "helper thread"])
async def test_a_job_may_extend_its_timeout(how):
    def extend():
        current_run().extend_timeout(10)

    async def in_coroutine():
        if how == "helper thread":
            with scheduler._parts.clock.hold():
                await anyio.to_thread.run_sync(extend)
        else:
            extend()
        await anyio.sleep(12)

    async with open_scheduler(max_workers=1, shutdown_grace=0) as scheduler:
        request = RecurringJobRequest("job", timeout=5)
        job_id = await scheduler.add_job(request, in_coroutine)
        if how == "thread":
            await _extends_from_the_thread(scheduler, request, extend)
            return
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 12)


async def _extends_from_the_thread(scheduler, request, extend):
    """Virtual time stands still while the thread works, so the test looks at the deadline that the thread has moved."""
    seen = []

    def job():
        before = attempt().deadline
        extend()
        seen.append((attempt().deadline - before, attempt().scope.deadline * 1_000_000 - attempt().deadline))

    def attempt():
        (one,) = scheduler._parts.engine.state.assigned
        return one

    run_id = await scheduler.trigger_job_now(await scheduler.add_job(request, job))
    assert (await scheduler.wait_run(run_id)).outcome is Outcome.SUCCEEDED
    assert seen == [(10_000_000, 0)]


async def test_what_extending_cannot_do():
    async def job():
        run = current_run()
        with pytest.raises(ConfigurationError) as caught:
            run.extend_timeout(-1)
        assert caught.value.parameter == "seconds"
        runs.append(run)
        try:
            await clean_up(0)
        finally:
            run.extend_timeout(100)  # The timeout has passed, and cannot be extended any more.
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)

    async def untimed():
        current_run().extend_timeout(5)
        await anyio.sleep(50)

    runs = []
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", timeout=5), job)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert (record.outcome, record.duration) == (Outcome.TIMED_OUT, 6)
        runs[0].extend_timeout(10)  # It is over.
        job_id = await scheduler.add_job(RecurringJobRequest("untimed"), untimed)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert record.duration == 50


async def test_an_extended_timeout_moves_the_grace_too():
    async def job():
        current_run().extend_timeout(20)
        await clean_up(10)

    async with open_scheduler(max_workers=1, cleanup_grace=3) as scheduler, scheduler.events(RunStuck) as stuck:
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("job", timeout=5), job))
        await anext(stuck)
        assert anyio.current_time() == 28


async def test_stuck_after_tells_once_for_each_attempt_and_does_nothing_else():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(RunStuck, RunFinished) as told:
        request = RecurringJobRequest("job", Never(), 1, retry=FixedRetryDelay(1), stuck_after=5)

        async def job():
            await anyio.sleep(20)
            return current_run().attempt == 2

        await scheduler.trigger_job_now(await scheduler.add_job(request, job))
        seen = []
        for _ in range(3):
            event = await anext(told)
            seen.append((type(event).__name__, anyio.current_time()))
            if isinstance(event, RunStuck):
                assert (event.phase, event.running_for) == (RunPhase.EXECUTING, 5)
                assert "await anyio.sleep(20)" in event.stack
        assert seen == [("RunStuck", 5), ("RunStuck", 26), ("RunFinished", 41)]


async def test_stuck_after_counts_from_the_begin_of_the_attempt_not_from_when_it_was_bound():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(RunStuck) as stuck:
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("busy"), anyio.sleep, 8))
        job_id = await scheduler.add_job(RecurringJobRequest("job", stuck_after=5), anyio.sleep, 10)
        await scheduler.trigger_job_now(job_id)
        event = await anext(stuck)
        assert (event.name, anyio.current_time()) == ("job", 13)


@pytest.mark.parametrize(("before", "after", "at"), [(None, 6, 6), (10, 6, 6), (3, 6, 3), (6, None, None)])
async def test_an_update_changes_when_a_run_under_way_is_told_as_long(before, after, at):
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(RunStuck, RunFinished) as told:
        job_id = await scheduler.add_job(RecurringJobRequest("job", stuck_after=before), anyio.sleep, 20)
        await scheduler.trigger_job_now(job_id)
        await anyio.sleep(4)
        await scheduler.update_job(job_id, stuck_after=after)
        event = await anext(told)
        assert isinstance(event, RunStuck) is (at is not None)
        if at is None or at > 4:
            assert anyio.current_time() == (at or 20)


async def test_a_recurring_job_goes_on_after_its_timeouts():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), timeout=3, max_runs=3), clean_up, 0)
        await scheduler.wait_job(job_id)
        assert scheduler.get_metrics_snapshot().books.timed_out == 3
        assert anyio.current_time() == 33
