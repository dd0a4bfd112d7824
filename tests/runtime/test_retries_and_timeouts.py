"""Retries and timeouts, end to end."""

import random
from datetime import timedelta
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobState,
    Outcome,
    RecurringJobRequest,
    RunPhase,
    RunRecord,
    Scheduler,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.events import RunRetrying
from turnkeeper_trio.retries import FailedAttempt

pytestmark = pytest.mark.anyio


class Failing:
    """A job that fails so many times, in each way in turn, and notes when it was called."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls: list[float] = []

    async def __call__(self) -> str | bool:
        self.calls.append(anyio.current_time())
        if len(self.calls) > self.times:
            return "at last"
        if len(self.calls) % 2:
            raise ValueError(f"attempt {current_run().attempt}")
        return False


async def run(scheduler: Scheduler, request: RecurringJobRequest, fn: Any) -> RunRecord:
    record = await scheduler.wait_job(await scheduler.add_job(request, fn))
    assert record is not None
    return record


async def test_a_failed_run_is_tried_again_until_it_succeeds() -> None:
    job = Failing(2)
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, RecurringJobRequest("job", After(1), 5, retry=FixedRetryDelay(10)), job)
        assert job.calls == [1, 11, 21]
        assert (record.outcome, record.value, record.attempts, record.error) == (
            Outcome.SUCCEEDED,
            "at last",
            3,
            None,
        )
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_executed_success, metrics.jobs_executed_fail, metrics.jobs_panicked) == (1, 1, 1)
        assert (metrics.jobs_retried, metrics.jobs_permanently_failed) == (2, 0)
        assert metrics.books.succeeded == metrics.books.planned == 1


async def test_after_its_last_retry_a_run_is_permanently_failed() -> None:
    job = Failing(100)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(1), 2, retry=FixedRetryDelay(10)), job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert job.calls == [1, 11, 21]
        assert (record.outcome, record.attempts, record.reason) == (Outcome.FAILED, 3, "it raised ValueError")
        assert str(record.error) == "attempt 3"
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.consecutive_failures) == (JobState.FINISHED, 1)
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_panicked, metrics.jobs_executed_fail) == (2, 1)
        assert (metrics.jobs_retried, metrics.jobs_permanently_failed, metrics.books.failed) == (2, 1, 1)


async def test_a_recurring_job_goes_on_after_a_permanent_failure() -> None:
    job = Failing(100)
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(seconds=100), 1, retry=FixedRetryDelay(1))
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(350)
        assert job.calls == [100, 101, 200, 201, 300, 301]
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.consecutive_failures) == (JobState.ACTIVE, 3)


async def test_the_default_backoff_is_a_minute_then_three_then_nine() -> None:
    job = Failing(100)
    async with open_scheduler(max_workers=1, rng=random.Random(7)) as scheduler:
        await run(scheduler, RecurringJobRequest("job", After(0), 3), job)
    waits = [later - earlier for earlier, later in zip(job.calls, job.calls[1:], strict=False)]
    for wait, expected in zip(waits, (60, 180, 540), strict=True):
        assert expected * 0.9 <= wait <= expected * 1.1
        assert wait != expected


async def test_jitter_comes_from_the_rng_of_the_scheduler_alone() -> None:
    async def waits() -> list[float]:
        job = Failing(100)
        began = anyio.current_time()
        async with open_scheduler(max_workers=1, rng=random.Random(7)) as scheduler:
            await run(scheduler, RecurringJobRequest("job", After(0), 4), job)
        return [round(call - began, 6) for call in job.calls]

    first = await waits()
    random.seed(1)
    assert await waits() == first


async def test_a_policy_of_ones_own_sees_each_failure() -> None:
    seen: list[FailedAttempt] = []

    class Policy:
        def delay(self, failed: FailedAttempt, rng: random.Random) -> timedelta | float | None:
            assert rng is mine
            seen.append(failed)
            return (timedelta(seconds=5), 7.0, None)[failed.number - 1]

    mine = random.Random()
    job = Failing(100)
    async with open_scheduler(max_workers=1, rng=mine) as scheduler:
        record = await run(scheduler, RecurringJobRequest("job", After(0), 10, retry=Policy()), job)
        assert job.calls == [0, 5, 12]
        assert record.attempts == 3
        assert record.reason.endswith("its retry policy gave up")
    assert [(each.number, each.outcome, each.elapsed) for each in seen] == [
        (1, Outcome.FAILED, 0),
        (2, Outcome.FAILED, 5),
        (3, Outcome.FAILED, 12),
    ]
    assert [type(each.error) for each in seen] == [ValueError, type(None), ValueError]


class Wordless(Exception):
    def __repr__(self) -> str:
        raise ValueError("no words")

    __str__ = __repr__


@pytest.mark.parametrize("answer", [-1, float("nan"), float("inf"), "5", Wordless(), KeyError("mine")])
async def test_a_faulty_policy_costs_its_run_its_retries_and_nothing_else(answer: Any) -> None:
    class Policy:
        def delay(self, failed: FailedAttempt, rng: random.Random) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    job = Failing(100)
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, RecurringJobRequest("job", After(0), 10, retry=Policy()), job)
        assert (record.outcome, record.attempts) == (Outcome.FAILED, 1)
        assert "its retry policy" in record.reason
        assert (await run(scheduler, RecurringJobRequest("next", After(0)), Failing(0))).unwrap() == "at last"


async def test_a_falsy_policy_is_a_policy() -> None:
    """Regression: a policy whose truth value is false was taken for none, and the default one used."""

    class Policy:
        def __len__(self) -> int:
            return 0

        def delay(self, failed: FailedAttempt, rng: random.Random) -> float:
            return 5

    job = Failing(1)
    async with open_scheduler(max_workers=1) as scheduler:
        await run(scheduler, RecurringJobRequest("job", After(0), 1, retry=Policy()), job)
    assert job.calls == [0, 5]


async def test_a_run_that_waits_for_its_retry_holds_no_worker() -> None:
    done: list[tuple[str, float]] = []

    async def other(name: str) -> None:
        await anyio.sleep(1)
        done.append((name, anyio.current_time()))

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("failing", After(0), 3, retry=FixedRetryDelay(1_000))
        failing = await scheduler.add_job(request, Failing(100))
        for name in "abc":
            await scheduler.add_job(RecurringJobRequest(name, After(1)), other, name)
        await anyio.sleep(5)
        assert done == [("a", 2), ("b", 3), ("c", 4)]
        [active] = await scheduler.list_active_runs()
        assert (active.job_id, active.phase, active.attempt, active.running_for) == (
            failing,
            RunPhase.WAITING_RETRY,
            1,
            5,
        )
        details = await scheduler.get_job_details(failing)
        assert (details.retry_count, details.max_retries, details.retry) == (1, 3, request.retry)
        assert scheduler.get_metrics_snapshot().workers_active_current == 0


async def test_a_hundred_waiting_retries_hold_no_worker_either() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(100):
            request = RecurringJobRequest("failing", After(0), 1, retry=FixedRetryDelay(1_000))
            await scheduler.add_job(request, Failing(100))
        await anyio.sleep(1)
        assert len(await scheduler.list_active_runs()) == 100
        record = await run(scheduler, RecurringJobRequest("quick", After(0)), Failing(0))
        assert record.lateness == 0


async def test_a_timeout_cuts_an_attempt_off_and_is_no_cancellation() -> None:
    cleaned: list[float] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, RecurringJobRequest("job", After(0), timeout=timedelta(seconds=5)), job)
        assert (record.outcome, record.reason) == (Outcome.TIMED_OUT, "it did not end within its timeout")
        assert (record.error, record.duration, record.attempts) == (None, 5, 1)
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_timed_out, metrics.jobs_panicked, metrics.jobs_permanently_failed) == (1, 0, 1)
        assert (metrics.books.timed_out, metrics.books.cancelled) == (1, 0)
    assert cleaned == [5]


async def test_a_timed_out_attempt_is_tried_again() -> None:
    async def job() -> int:
        if current_run().attempt < 3:
            await anyio.sleep_forever()
        return current_run().attempt

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), 5, retry=FixedRetryDelay(10), timeout=1)
        record = await run(scheduler, request, job)
        assert (record.outcome, record.value, record.duration) == (Outcome.SUCCEEDED, 3, 2)
        assert anyio.current_time() == 22
        assert scheduler.get_metrics_snapshot().jobs_timed_out == 2


async def test_a_timeout_bounds_the_execution_not_the_wait_for_a_worker() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("long", After(0)), anyio.sleep, 50)
        job_id = await scheduler.add_job(RecurringJobRequest("short", After(0), timeout=5), anyio.sleep, 4)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert (record.outcome, record.lateness, record.duration) == (Outcome.SUCCEEDED, 50, 4)


async def test_an_attempt_that_ends_in_time_is_not_timed_out() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=5), anyio.sleep, 4.999999)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED


async def test_a_retry_is_told_before_it_waits(heard: Any) -> None:
    async with open_scheduler(max_workers=1, observers=[heard]) as scheduler:
        request = RecurringJobRequest("job", After(0), 3, retry=FixedRetryDelay(7))
        record = await run(scheduler, request, Failing(2))
    retries = heard.of(RunRetrying)
    assert [(event.attempt, event.delay, event.run_id) for event in retries] == [
        (1, 7, record.run_id),
        (2, 7, record.run_id),
    ]
    assert [type(event.error) for event in retries] == [ValueError, type(None)]
    assert heard.names() == [
        "JobAdded",
        "RunStarted",
        "RunRetrying",
        "RunStarted",
        "RunRetrying",
        "RunStarted",
        "RunFinished",
        "JobFinished",
        "ShutdownStarted",
        "SchedulerStopped",
    ]


async def test_the_next_occurrence_supersedes_a_run_that_waits_for_its_retry() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(seconds=10), 3, retry=FixedRetryDelay(15))
        job_id = await scheduler.add_job(request, Failing(1))
        await anyio.sleep(25)
        newest, oldest = await scheduler.get_run_history(job_id)
        assert (oldest.outcome, oldest.reason) == (Outcome.FAILED, "superseded by the next occurrence")
        assert isinstance(oldest.error, ValueError)
        assert (newest.outcome, newest.attempts, newest.lateness) == (Outcome.SUCCEEDED, 1, 0)


async def test_a_waiting_retry_may_keep_the_next_occurrence_from_running() -> None:
    job = Failing(1)
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(seconds=10), 3, retry=FixedRetryDelay(15), retry_past_next=True)
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(35)
        assert job.calls == [10, 25, 30]
        outcomes = [record.outcome for record in await scheduler.get_run_history(job_id)]
        assert outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.SKIPPED]
