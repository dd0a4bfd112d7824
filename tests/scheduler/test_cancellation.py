"""Cancelling one run in each phase: what happens, what the record says, and that its job goes on."""

import threading

import anyio
import anyio.from_thread
import pytest

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobState,
    Never,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunNotFound,
    RunPhase,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished, RunStuck

pytestmark = pytest.mark.anyio


class Sleeper:
    """Sleeps for ever; does as it is told when it is cancelled."""

    def __init__(self, cleanup=0, then=None):
        self.cleanup, self.then = cleanup, then
        self.attempts, self.ended = 0, []

    async def __call__(self):
        self.attempts += 1
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.cleanup)
            if isinstance(self.then, BaseException):
                raise self.then from None
            if self.then is None:
                raise
            return self.then
        finally:
            self.ended.append(anyio.current_time())


async def executing(scheduler, job, **options):
    """Have a job execute; return its id and that of its run."""
    job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(100), **options), job)
    run_id = await scheduler.trigger_job_now(job_id)
    await anyio.sleep(5)
    return job_id, run_id


async def goes_on(scheduler, job_id):
    """Check that a job is as it was before one of its runs was cancelled."""
    details = await scheduler.get_job_details(job_id)
    assert details.state is JobState.ACTIVE
    assert details.next_run_time is not None
    assert details.active_runs == ()
    return True


async def test_one_that_executes_is_cut_off_and_waited_for():
    job = Sleeper(cleanup=3)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id, run_id = await executing(scheduler, job, max_retries=3)
        record = await scheduler.cancel_run(run_id, reason="by hand")
        assert (record.run_id, record.outcome, record.reason) == (run_id, Outcome.CANCELLED, "by hand")
        assert (record.attempts, record.duration, record.error) == (1, 8, None)
        assert anyio.current_time() == 8
        assert job.ended == [8]
        assert await goes_on(scheduler, job_id)
        assert await scheduler.wait_run(run_id) == record
        await anyio.sleep(50)
        assert job.attempts == 1


@pytest.mark.parametrize(
    ("then", "outcome", "reason"),
    [
        ("done", Outcome.SUCCEEDED, ""),
        (False, Outcome.FAILED, "failed while it cleaned up after it was asked to end"),
        (OSError("no"), Outcome.FAILED, "failed while it cleaned up after it was asked to end"),
    ],
    ids=["wins", "returns False", "raises"],
)
async def test_what_is_told_is_what_happened(then, outcome, reason):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id, run_id = await executing(scheduler, Sleeper(then=then), max_retries=3)
        record = await scheduler.cancel_run(run_id, reason="by hand")
        assert (record.outcome, record.reason) == (outcome, reason)
        assert record.error is (then if isinstance(then, OSError) else None)
        assert await goes_on(scheduler, job_id)
        assert record.value == ("done" if then == "done" else None)


async def test_a_planned_one_never_starts_and_the_next_is_planned():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        details = await scheduler.get_job_details(job_id)
        record = await scheduler.cancel_run(details.next_run_instance, reason="not this time")
        assert (record.outcome, record.reason, record.attempts) == (Outcome.CANCELLED, "not this time", 0)
        assert record.scheduled_at == details.next_run_time
        following = (await scheduler.get_job_details(job_id)).next_run_time
        assert (following - details.next_run_time).total_seconds() == 10
        await anyio.sleep(25)
        assert scheduler.get_metrics_snapshot().books.succeeded == 1


@pytest.mark.parametrize("bound", [True, False], ids=["bound to a worker", "ready"])
async def test_one_that_waits_for_a_worker_never_starts(bound):
    job = Sleeper()
    async with open_scheduler(max_workers=1, shutdown_grace=0) as scheduler:
        await scheduler.add_job(RecurringJobRequest("busy", After(0)), anyio.sleep, 20)
        if not bound:
            await scheduler.add_job(RecurringJobRequest("bound", After(0)), anyio.sleep, 0)
        await anyio.sleep(1)
        job_id, run_id = await executing(scheduler, job)
        assert [run.phase for run in await scheduler.list_active_runs(job_id)] == [RunPhase.QUEUED]
        record = await scheduler.cancel_run(run_id, reason="r")
        assert (record.outcome, record.attempts, record.started_at) == (Outcome.CANCELLED, 0, None)
        assert await goes_on(scheduler, job_id)
        await anyio.sleep(30)
        assert job.attempts == 0


async def test_one_that_waits_for_its_turn_never_starts_and_the_one_behind_it_does():
    async with open_scheduler(max_workers=3) as scheduler:
        request = RecurringJobRequest("job", Never(), overlap=Overlap.BUFFER_ALL)
        job_id = await scheduler.add_job(request, anyio.sleep, 5)
        runs = [await scheduler.trigger_job_now(job_id) for _ in range(3)]
        assert (await scheduler.cancel_run(runs[1])).outcome is Outcome.CANCELLED
        assert (await scheduler.wait_run(runs[2])).outcome is Outcome.SUCCEEDED
        assert anyio.current_time() == 10


async def test_one_that_waits_for_its_retry_is_not_tried_again():
    attempts = []

    async def job():
        attempts.append(anyio.current_time())
        raise ValueError("first")

    async with open_scheduler(max_workers=1) as scheduler:
        job_id, run_id = await executing(scheduler, job, max_retries=3, retry=FixedRetryDelay(50))
        assert [run.phase for run in await scheduler.list_active_runs(job_id)] == [RunPhase.WAITING_RETRY]
        record = await scheduler.cancel_run(run_id, reason="enough")
        assert (record.outcome, record.reason, record.attempts) == (Outcome.CANCELLED, "enough", 1)
        assert str(record.error) == "first"
        await anyio.sleep(60)
        assert attempts == [0]


async def test_one_that_has_ended_is_not_changed_and_a_stranger_is_not_found():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), anyio.sleep, 1)
        run_id = await scheduler.trigger_job_now(job_id)
        record = await scheduler.wait_run(run_id)
        assert await scheduler.cancel_run(run_id, reason="too late") == record
        with pytest.raises(RunNotFound) as caught:
            await scheduler.cancel_run(job_id)
        assert caught.value.run_id == job_id


async def test_the_run_behind_it_starts_after_the_cleanup():
    began = []

    async def job():
        began.append(anyio.current_time())
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(4)

    async with open_scheduler(max_workers=3, shutdown_grace=0) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never(), overlap=Overlap.BUFFER_ONE), job)
        first = await scheduler.trigger_job_now(job_id)
        await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        await scheduler.cancel_run(first)
        await anyio.sleep(1)
        assert began == [0, 5]


async def test_two_may_ask_and_one_may_give_up():
    job, answers = Sleeper(cleanup=10), []

    async def ask():
        answers.append(await scheduler.cancel_run(run_id, reason="second"))

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        _, run_id = await executing(scheduler, job)
        with anyio.move_on_after(1):
            await scheduler.cancel_run(run_id, reason="first")
        tasks.start_soon(ask)
        await anyio.sleep(2)
        assert [run.phase for run in await scheduler.list_active_runs()] == [RunPhase.CLEANING_UP]
        await scheduler.wait_run(run_id)
        assert anyio.current_time() == 15
    assert [(record.outcome, record.reason) for record in answers] == [(Outcome.CANCELLED, "first")]


@pytest.mark.parametrize(("own", "stuck_at"), [(None, 11), (2, 7), (0, 5)], ids=str)
async def test_one_that_ignores_it_is_stuck_after_its_grace_and_told_until_it_ends(own, stuck_at):
    async with (
        open_scheduler(max_workers=1, cleanup_grace=6) as scheduler,
        scheduler.events(RunStuck, RunFinished) as told,
        anyio.create_task_group() as tasks,
    ):
        job_id, run_id = await executing(scheduler, Sleeper(cleanup=100), cleanup_grace=own)
        tasks.start_soon(scheduler.cancel_run, run_id)
        event = await anext(told)
        assert isinstance(event, RunStuck)
        assert anyio.current_time() == pytest.approx(stuck_at)
        assert (event.run_id, event.job_id, event.name, event.attempt) == (run_id, job_id, "job", 1)
        assert (event.phase, event.running_for) == (RunPhase.STUCK, pytest.approx(stuck_at - 5, abs=1e-5))
        assert "await anyio.sleep(self.cleanup)" in event.stack
        for at in (12, 50, 104):
            await anyio.sleep(at - anyio.current_time())
            (run,) = await scheduler.list_active_runs()
            assert (run.phase, run.running_for) == (RunPhase.STUCK, at - 5)
        assert (await anext(told)).record.outcome is Outcome.CANCELLED
        assert anyio.current_time() == 105
        assert await scheduler.list_active_runs() == []


async def test_one_that_unwinds_in_time_is_not_stuck():
    async with (
        open_scheduler(max_workers=1, cleanup_grace=6) as scheduler,
        scheduler.events(RunStuck, RunFinished) as told,
    ):
        _, run_id = await executing(scheduler, Sleeper(cleanup=5))
        await scheduler.cancel_run(run_id)
        assert isinstance(await anext(told), RunFinished)


@pytest.mark.parametrize("looks", ["check_cancelled", "cancel_requested", "at nothing"])
async def test_a_plain_function_in_a_thread_can_only_be_asked(looks):
    reactivate, asked = threading.Event(), threading.Event()

    def job():
        anyio.from_thread.run_sync(began.set)
        if looks == "check_cancelled":
            while True:
                anyio.from_thread.check_cancelled()
                reactivate.wait(0.001)
        while looks == "cancel_requested" and not current_run().cancel_requested:
            reactivate.wait(0.001)
        asked.set()
        assert reactivate.wait(20)
        return "in the end"

    began = anyio.Event()
    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), job)
        run_id = await scheduler.trigger_job_now(job_id)
        await began.wait()
        tasks.start_soon(scheduler.cancel_run, run_id)
        if looks != "check_cancelled":
            while (await scheduler.list_active_runs())[0].phase is not RunPhase.CLEANING_UP:
                await anyio.lowlevel.checkpoint()
            assert asked.wait(20)
            reactivate.set()
        record = await scheduler.wait_run(run_id)
    assert record.outcome is (Outcome.CANCELLED if looks == "check_cancelled" else Outcome.SUCCEEDED)
    assert record.value == (None if looks == "check_cancelled" else "in the end")


@pytest.mark.real_time  # Virtual time stands still while a thread is at work.
async def test_a_stuck_thread_is_told_with_its_stack():
    hangs, reactivate = threading.Event(), threading.Event()

    def here_it_hangs():
        hangs.set()
        assert reactivate.wait(20)

    def job():
        anyio.from_thread.run_sync(began.set)
        here_it_hangs()

    began = anyio.Event()
    async with (
        open_scheduler(max_workers=1, cleanup_grace=0) as scheduler,
        scheduler.events(RunStuck) as stuck,
        anyio.create_task_group() as tasks,
    ):
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), job)
        run_id = await scheduler.trigger_job_now(job_id)
        await began.wait()
        assert hangs.wait(20)
        tasks.start_soon(scheduler.cancel_run, run_id)
        event = await anext(stuck)
        reactivate.set()
        assert "here_it_hangs" in event.stack


@pytest.mark.parametrize("cancel_running", [True, False])
async def test_cancel_job_with_runs_in_every_phase(cancel_running):
    began = []

    async def job():
        began.append(current_run().run_id)
        if len(began) == 1:
            raise ValueError("to be tried again")
        try:
            await anyio.sleep(20)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)

    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=1) as scheduler:
        request = RecurringJobRequest(
            "job", Interval(100), max_retries=1, overlap=Overlap.ALLOW_ALL, max_concurrent=3, retry=FixedRetryDelay(60)
        )
        job_id = await scheduler.add_job(request, job)
        retrying = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        running, *others = [await scheduler.trigger_job_now(job_id) for _ in range(5)]
        await anyio.sleep(1)
        records = await scheduler.cancel_job(job_id, cancel_running=cancel_running, reason="closed")
        ended = {record.run_id: (record.outcome, record.reason) for record in records}
        cancelled = (Outcome.CANCELLED, "closed")
        expected = dict.fromkeys([retrying, *others], cancelled) | ({running: cancelled} if cancel_running else {})
        assert ended == expected
        assert anyio.current_time() == (4 if cancel_running else 2)
        assert (await scheduler.get_job_details(job_id)).state_reason == "closed"
        assert await scheduler.cancel_job(job_id, cancel_running=True) == (
            () if cancel_running else (await scheduler.wait_run(running),)
        )
        assert len(began) == 2
        books = scheduler.get_metrics_snapshot().books
        assert (books.planned, books.cancelled) == (7, 7)
