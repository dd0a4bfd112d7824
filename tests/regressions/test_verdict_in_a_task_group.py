"""`GiveUp` raised in a task group was tried again, `CancelJob` left its job alive, `Snooze` and `Retry` were lost.

Cause: a task group makes a group of whatever its tasks raise, a single error too, and a verdict was looked for only
where it came bare. Beside errors it stays what it is: one of the errors of a run that failed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    CancelJob,
    FixedRetryDelay,
    GiveUp,
    JobState,
    Never,
    Outcome,
    RecurringJobRequest,
    Retry,
    RunRecord,
    Snooze,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.testing import run_inline
from turnkeeper_trio.verdicts import Verdict

pytestmark = pytest.mark.anyio

Job = Callable[[], Coroutine[Any, Any, Any]]


async def ended(job: Job) -> tuple[RunRecord, JobState]:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Never(), 1, retry=FixedRetryDelay(5))
        job_id = await scheduler.add_job(request, job)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        return record, (await scheduler.get_job_details(job_id)).state


async def say(said: BaseException) -> None:
    raise said


def fanning_out(*said: BaseException, depth: int = 1) -> Job:
    """Return a job whose tasks raise these errors at its first attempt, in groups of this depth; later it returns."""

    async def job() -> int:
        if current_run().attempt > 1:
            return current_run().attempt
        if depth > 1:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fanning_out(*said, depth=depth - 1))
        async with anyio.create_task_group() as tasks:
            for each in said:
                tasks.start_soon(say, each)
            tasks.start_soon(anyio.sleep_forever)
        raise AssertionError

    return job


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    ("verdict", "outcome", "attempts", "reason", "state"),
    [
        (GiveUp("no use"), Outcome.FAILED, 1, "it gave up: no use", JobState.ACTIVE),
        (CancelJob("done"), Outcome.CANCELLED, 1, "it ended its job: done", JobState.CANCELLED),
        (Snooze(3), Outcome.SUCCEEDED, 2, "", JobState.ACTIVE),
        (Retry(7), Outcome.SUCCEEDED, 2, "", JobState.ACTIVE),
        (Verdict(), Outcome.SUCCEEDED, 2, "", JobState.ACTIVE),
    ],
)
async def test_a_verdict_that_is_alone_is_heard(
    verdict: Verdict, outcome: Outcome, attempts: int, reason: str, state: JobState, depth: int
) -> None:
    record, found = await ended(fanning_out(verdict, depth=depth))
    assert (record.outcome, record.attempts, record.reason, found) == (outcome, attempts, reason, state)
    wait = {Snooze: 3, Retry: 7, Verdict: 5}.get(type(verdict), 0)
    assert record.started_at is not None
    assert (record.finished_at - record.started_at).total_seconds() == pytest.approx(wait)


async def test_of_several_the_most_final_is_heard() -> None:
    record, state = await ended(fanning_out(Snooze(3), GiveUp("no"), CancelJob("done"), Retry()))
    assert (record.outcome, record.reason, state) == (Outcome.CANCELLED, "it ended its job: done", JobState.CANCELLED)
    record, _ = await ended(fanning_out(Retry(2), GiveUp("no"), Snooze(3)))
    assert (record.outcome, record.reason) == (Outcome.FAILED, "it gave up: no")


@pytest.mark.parametrize("verdict", [GiveUp("no use"), CancelJob("done"), Snooze(3)])
async def test_beside_an_error_the_run_failed_with_the_group(verdict: Verdict) -> None:
    async def job() -> None:
        raise BaseExceptionGroup("both", [verdict, ValueError("no")])

    record, state = await ended(job)
    assert (record.outcome, record.attempts, state) == (Outcome.FAILED, 2, JobState.ACTIVE)
    assert isinstance(record.error, BaseExceptionGroup)
    assert record.error.exceptions[0] is verdict


async def test_cancellations_beside_it_do_not_count(anyio_backend_name: str) -> None:
    async def job() -> None:
        cancelled: list[BaseException] = []
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class() as exc:
                cancelled.append(exc)
                raise
        if anyio_backend_name == "asyncio":
            cancelled.append(asyncio.CancelledError())
        raise BaseExceptionGroup("all", [*cancelled, BaseExceptionGroup("inner", [GiveUp("no use")])])

    record, _ = await ended(job)
    assert (record.outcome, record.attempts, record.reason) == (Outcome.FAILED, 1, "it gave up: no use")


async def test_a_group_of_cancellations_only_is_an_error() -> None:
    async def job() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class() as exc:
                cancelled = exc
                raise
        raise BaseExceptionGroup("only", [cancelled])

    record, _ = await ended(job)
    assert (record.outcome, record.attempts) == (Outcome.FAILED, 2)
    assert isinstance(record.error, BaseExceptionGroup)


class Lying(BaseExceptionGroup[BaseException]):
    @property
    def exceptions(self) -> tuple[BaseException, ...]:
        raise RuntimeError("what is in me is nobody's business")


async def test_a_group_of_the_jobs_own_is_looked_into_past_its_own_methods() -> None:
    async def job() -> None:
        raise Lying("mine", [GiveUp("no use")])

    record, _ = await ended(job)
    assert (record.attempts, record.reason) == (1, "it gave up: no use")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_inline_it_is_heard_as_well(backend: Any) -> None:
    ran = run_inline(RecurringJobRequest("job", max_retries=3), fanning_out(GiveUp("no use")), backend=backend)
    assert (ran.record.attempts, ran.record.reason) == (1, "it gave up: no use")
