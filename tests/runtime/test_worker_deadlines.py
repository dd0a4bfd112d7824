"""A worker has one scope for many attempts: the timeout of one is not seen by another, nor while the worker is idle."""

import math
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, RunRecord, Scheduler, current_run, open_scheduler
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio.testing import run as run_virtually


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the coordinator took a turn."""
    times: list[float] = []
    take_due = Engine.take_due

    def noted(engine: Engine, now: Any) -> None:
        times.append(now.loop / 1_000_000)
        take_due(engine, now)

    monkeypatch.setattr(Engine, "take_due", noted)
    return times


async def run(scheduler: Scheduler, job: Any, *args: Any, **options: Any) -> RunRecord:
    job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), **options), job, *args)
    record = await scheduler.wait_job(job_id)
    assert record is not None
    return record


async def deadline_in() -> float:
    return anyio.current_effective_deadline() - anyio.current_time()


@pytest.mark.anyio
async def test_each_attempt_has_its_own_deadline_or_none() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for idle in (0, 50, 500):
            for timeout in (None, 5, None, None, 100, 7, None):
                left = (await run(scheduler, deadline_in, timeout=timeout)).unwrap()
                assert left == (math.inf if timeout is None else pytest.approx(timeout, abs=1e-6))
                await anyio.sleep(idle)


@pytest.mark.anyio
async def test_a_timeout_after_many_attempts_without_one_strikes_to_the_microsecond() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(20):
            await run(scheduler, anyio.sleep, 0.1)
        await anyio.sleep(50)
        record = await run(scheduler, anyio.sleep_forever, timeout=5)
        assert (record.outcome, record.duration) == (Outcome.TIMED_OUT, 5)


@pytest.mark.anyio
async def test_many_attempts_without_a_timeout_after_one_with_it() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        assert (await run(scheduler, anyio.sleep, 4.9, timeout=5)).outcome is Outcome.SUCCEEDED
        for _ in range(5):
            assert (await run(scheduler, anyio.sleep, 100)).outcome is Outcome.SUCCEEDED
        assert (await run(scheduler, anyio.sleep_forever, timeout=5)).outcome is Outcome.TIMED_OUT
        for _ in range(5):
            assert (await run(scheduler, anyio.sleep, 100)).outcome is Outcome.SUCCEEDED


@pytest.mark.anyio
@pytest.mark.parametrize("buffer", [1, 2, 8])
async def test_of_attempts_that_follow_each_other_without_a_pause(buffer: int) -> None:
    """The worker is never idle between the attempts: that is a separate path from one attempt to the next."""
    timeouts = [5, None, 7, 5, None, None, 1_000, 5, None]

    async def job() -> float:
        left = await deadline_in()
        await anyio.sleep(4)
        return left

    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=buffer) as scheduler:
        ids = [
            await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=timeout), job) for timeout in timeouts
        ]
        for job_id, timeout in zip(ids, timeouts, strict=True):
            record = await scheduler.wait_job(job_id)
            assert record is not None
            assert record.unwrap() == (math.inf if timeout is None else pytest.approx(timeout, abs=1e-6))
        assert anyio.current_time() == 4 * len(timeouts)


@pytest.mark.anyio
async def test_what_one_attempt_was_given_in_addition_is_not_given_to_the_next() -> None:
    async def longer() -> None:
        current_run().extend_timeout(1_000)

    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(3):
            await run(scheduler, longer, timeout=5)
            record = await run(scheduler, anyio.sleep_forever, timeout=5)
            assert (record.outcome, record.duration) == (Outcome.TIMED_OUT, 5)


@pytest.mark.anyio
async def test_extending_the_timeout_of_an_attempt_that_has_ended_changes_nothing_for_the_next() -> None:
    """A task that the job started, and that outlives it, still refers to the run context."""

    async with anyio.create_task_group() as outside, open_scheduler(max_workers=1) as scheduler:

        async def outlive(context: Any) -> None:
            await anyio.sleep(2)
            context.extend_timeout(1_000)
            assert not context.cancel_requested
            assert not context.executing

        async def job() -> None:
            outside.start_soon(outlive, current_run())

        await run(scheduler, job, timeout=50)
        record = await run(scheduler, anyio.sleep_forever, timeout=5)
        assert (record.outcome, record.duration) == (Outcome.TIMED_OUT, 5)


@pytest.mark.anyio
async def test_nobody_is_woken_for_the_timeout_of_an_attempt_that_has_returned(turns: list[float]) -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await run(scheduler, anyio.sleep, 1, timeout=50)
        await run(scheduler, anyio.sleep, 1, timeout=60, stuck_after=70)
        before = len(turns)
        await anyio.sleep(1_000)
        assert len(turns) == before
        assert anyio.current_time() == 1_002


@pytest.mark.anyio
async def test_the_coordinator_wakes_once_for_nothing_at_most_where_something_later_is_planned(
    turns: list[float],
) -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("later", After(5_000)), deadline_in)
        for _ in range(20):
            await run(scheduler, anyio.sleep, 1, timeout=50)
        before = len(turns)
        await anyio.sleep(1_000)
        assert len(turns) - before <= 1
        await scheduler.wait_idle()
        assert 5_000 in turns


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("seed", range(10))
def test_a_timeout_that_strikes_as_the_job_returns(backend: Any, seed: int) -> None:
    """Either may come first. The record says which, and the next attempt is not affected."""

    async def job(ticks: int) -> str:
        await anyio.sleep(5)
        for _ in range(ticks):
            await anyio.lowlevel.cancel_shielded_checkpoint()
        return "returned"

    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            for ticks in range(4):
                record = await run(scheduler, job, ticks, timeout=5)
                assert record.duration == 5
                if record.outcome is Outcome.SUCCEEDED:
                    assert record.value == "returned"
                else:
                    assert record.outcome is Outcome.TIMED_OUT
                assert (await run(scheduler, deadline_in)).unwrap() == math.inf
                assert (await run(scheduler, anyio.sleep, 100)).outcome is Outcome.SUCCEEDED

    run_virtually(main, backend=backend, seed=seed)


@pytest.mark.anyio
async def test_a_job_that_is_cancelled_as_it_returns_leaves_its_worker_unharmed() -> None:
    """The cancel comes any number of turns of the event loop before or after."""
    for ticks in range(12):
        async with open_scheduler(max_workers=1) as scheduler:

            async def job() -> str:
                for _ in range(6):
                    await anyio.lowlevel.checkpoint()
                return "returned"

            job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=50), job)
            for _ in range(ticks):
                await anyio.lowlevel.checkpoint()
            await scheduler.cancel_job(job_id, cancel_running=True)
            (record,) = await scheduler.get_run_history(job_id)
            assert record.outcome in {Outcome.SUCCEEDED, Outcome.CANCELLED}
            assert (await run(scheduler, deadline_in)).unwrap() == math.inf
            assert (await run(scheduler, anyio.sleep, 100)).outcome is Outcome.SUCCEEDED


@pytest.mark.anyio
async def test_a_job_that_returns_though_its_timeout_has_struck_leaves_its_worker_unharmed() -> None:
    async def late() -> str:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(20)
        return "all the same"

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, late, timeout=10)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, "all the same")
        assert (await run(scheduler, anyio.sleep, 5)).outcome is Outcome.SUCCEEDED


@pytest.mark.anyio
async def test_a_timeout_that_is_extended_later_is_checked_by_its_new_deadline() -> None:
    async def job() -> None:
        await anyio.sleep(1)
        current_run().extend_timeout(100)
        await anyio.sleep(50)

    async with open_scheduler(max_workers=1, cleanup_grace=1) as scheduler:
        record = await run(scheduler, job, timeout=5)
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 51)
