"""A job that would wait for itself is refused at once, from wherever in the job it asks."""

import anyio
import anyio.from_thread
import pytest

from turnkeeper_trio import (
    After,
    Never,
    Outcome,
    RecurringJobRequest,
    WouldDeadlock,
    current_run,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

OWN = {
    "wait_run": lambda scheduler, run, other: scheduler.wait_run(run.run_id),
    "cancel_run": lambda scheduler, run, other: scheduler.cancel_run(run.run_id),
    "wait_job": lambda scheduler, run, other: scheduler.wait_job(run.job_id),
    "cancel_job": lambda scheduler, run, other: scheduler.cancel_job(run.job_id, cancel_running=True),
    "wait_idle": lambda scheduler, run, other: scheduler.wait_idle(),
    "wait_idle due": lambda scheduler, run, other: scheduler.wait_idle(due_only=True),
    "shutdown_graceful": lambda scheduler, run, other: scheduler.shutdown_graceful(),
    "shutdown_force": lambda scheduler, run, other: scheduler.shutdown_force(1),
    "run_until_signal": lambda scheduler, run, other: scheduler.run_until_signal(),
}
ANOTHERS = {
    "wait_run": lambda scheduler, run, other: scheduler.wait_run(other),
    "wait_job": lambda scheduler, run, other: _wait_for_job_of(scheduler, other),
}


async def _wait_for_job_of(scheduler, other):
    (run,) = [each for each in await scheduler.list_active_runs() if each.run_id == other]
    await scheduler.wait_job(run.job_id)


async def try_it(ask, outcomes, other=None):
    try:
        await ask(current_scheduler(), current_run(), other)
    except WouldDeadlock as exc:
        outcomes.append(exc)
    else:
        outcomes.append(None)


@pytest.mark.parametrize("where", ["in the job", "in a task of it", "in its thread"])
@pytest.mark.parametrize("what", OWN)
async def test_waiting_for_itself(what, where):
    outcomes = []

    async def job():
        if where == "in the job":
            await try_it(OWN[what], outcomes)
        else:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(try_it, OWN[what], outcomes)

    def in_thread():
        anyio.from_thread.run(try_it, OWN[what], outcomes)

    async with open_scheduler(max_workers=4) as scheduler:
        fn = in_thread if where == "in its thread" else job
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), fn))
        assert record.outcome is Outcome.SUCCEEDED, record
        assert not scheduler.is_closed
    (refused,) = outcomes
    assert isinstance(refused, RuntimeError)
    assert "'job'" in str(refused)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("what", ANOTHERS)
async def test_waiting_for_another_needs_a_second_worker(what, workers):
    outcomes = []
    async with open_scheduler(max_workers=workers) as scheduler:
        waiter = await scheduler.add_job(RecurringJobRequest("waits", Never()), lambda: None)
        other_job = await scheduler.add_job(RecurringJobRequest("other", Never()), anyio.sleep, 5)

        async def job():
            other = await scheduler.trigger_job_now(other_job)
            await try_it(ANOTHERS[what], outcomes, other)

        await scheduler.update_job(waiter, fn=job)
        await scheduler.trigger_job_now(waiter)
        await scheduler.wait_idle()
    assert [refused is not None for refused in outcomes] == [workers == 1]


async def test_a_task_that_outlives_its_job_is_no_part_of_it():
    outcomes = []

    async def later():
        await anyio.sleep(5)
        await try_it(OWN["wait_run"], outcomes)
        await try_it(OWN["shutdown_graceful"], outcomes)

    async def job():
        outside.start_soon(later)

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as outside:
        await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        await scheduler.wait_idle()
    assert outcomes == [None, None]


async def test_a_job_may_wait_for_runs_of_another_scheduler():
    async def job(other):
        await other.wait_idle()
        await other.shutdown_graceful()

    async with open_scheduler(max_workers=1) as other, open_scheduler(max_workers=1) as scheduler:
        await other.add_job(RecurringJobRequest("other", After(0)), anyio.sleep, 3)
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), job, other))
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 3)
