"""Verdicts: a job returns or raises them, in a coroutine or in a thread."""

import random
from datetime import timedelta

import anyio
import pytest

from turnkeeper_trio import (
    CancelJob,
    ConfigurationError,
    ExponentialBackoff,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobState,
    Never,
    Outcome,
    Overlap,
    RecurringJobRequest,
    Retry,
    Snooze,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.verdicts import Verdict

pytestmark = pytest.mark.anyio


def saying(*verdicts, raised, in_thread=False):
    """Return a job that gives these verdicts, one at each attempt, and then succeeds."""

    def say():
        attempt = current_run().attempt
        if attempt > len(verdicts):
            return f"at attempt {attempt}"
        said = verdicts[attempt - 1]
        if raised:
            raise said
        return said

    async def coroutine():
        await anyio.sleep(1)
        return say()

    return say if in_thread else coroutine


both_ways = pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])


async def run(scheduler, job, **options):
    job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(1000), **options), job)
    record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
    return record, (await scheduler.get_job_details(job_id))


@both_ways
async def test_retry_after_so_long_uses_up_a_retry_and_leaves_the_policy_alone(raised):
    async with open_scheduler(max_workers=1) as scheduler:
        job = saying(Retry(after=7), Retry(after=timedelta(seconds=9)), raised=raised)
        record, details = await run(scheduler, job, max_retries=2, retry=FixedRetryDelay(500))
        assert (record.outcome, record.value, record.attempts) == (Outcome.SUCCEEDED, "at attempt 3", 3)
        assert anyio.current_time() == 1 + 7 + 1 + 9 + 1
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_retried, metrics.jobs_executed_fail, metrics.jobs_panicked) == (2, 2, 0)
        assert details.state is JobState.ACTIVE


@both_ways
async def test_retry_as_the_policy_says(raised):
    async with open_scheduler(max_workers=1) as scheduler:
        job = saying(Retry(), raised=raised)
        await run(scheduler, job, max_retries=1, retry=FixedRetryDelay(50))
        assert anyio.current_time() == 52


@both_ways
async def test_a_retry_too_many_is_a_failure(raised):
    async with open_scheduler(max_workers=1) as scheduler:
        job = saying(Retry(0), Retry(0), raised=raised)
        record, details = await run(scheduler, job, max_retries=1)
        assert (record.outcome, record.attempts, record.error) == (Outcome.FAILED, 2, None)
        assert record.reason == "it asked to be tried again"
        assert details.consecutive_failures == 1


@both_ways
async def test_snooze_uses_up_no_retry_and_holds_no_worker(raised):
    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:

        async def other():
            await anyio.sleep(5)
            record, _ = await run(scheduler, saying(raised=False))
            assert record.finished_at.second == 6

        tasks.start_soon(other)
        record, _ = await run(scheduler, saying(Snooze(20), Snooze(20), raised=raised))
        assert (record.outcome, record.attempts, record.duration) == (Outcome.SUCCEEDED, 3, 3)
        assert anyio.current_time() == 43
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_snoozed, metrics.jobs_retried, metrics.jobs_executed_fail) == (2, 0, 0)


@both_ways
async def test_give_up_fails_at_once_whatever_retries_are_left(raised):
    async with open_scheduler(max_workers=1) as scheduler:
        record, details = await run(scheduler, saying(GiveUp("no use"), raised=raised), max_retries=9)
        assert (record.outcome, record.attempts, record.reason) == (Outcome.FAILED, 1, "it gave up: no use")
        assert details.state is JobState.ACTIVE
        assert details.next_run_time is not None


@both_ways
async def test_cancel_job_ends_the_lineage(raised):
    async with open_scheduler(max_workers=1) as scheduler:
        record, details = await run(scheduler, saying(CancelJob("closed"), raised=raised), max_retries=9)
        assert (record.outcome, record.reason) == (Outcome.CANCELLED, "it ended its job: closed")
        assert (details.state, details.state_reason) == (JobState.CANCELLED, "it ended its job: closed")
        assert details.next_run_time is None
        assert scheduler.get_metrics_snapshot().jobs_lineage_cancelled == 1


@both_ways
@pytest.mark.parametrize("verdict", [Retry(0), Snooze(0), GiveUp(), CancelJob()], ids=str)
async def test_a_plain_function_says_the_same(verdict, raised):
    async with open_scheduler(max_workers=1) as scheduler:
        record, _ = await run(scheduler, saying(verdict, raised=raised, in_thread=True), max_retries=1)
        expected = {Retry: Outcome.SUCCEEDED, Snooze: Outcome.SUCCEEDED, GiveUp: Outcome.FAILED}
        assert record.outcome is expected.get(type(verdict), Outcome.CANCELLED)


@pytest.mark.parametrize("kind", [Retry, Snooze, GiveUp, CancelJob])
async def test_the_class_by_mistake_is_a_failure_that_says_what_to_write(kind):
    async with open_scheduler(max_workers=1) as scheduler:
        record, details = await run(scheduler, saying(kind, raised=False))
        assert record.outcome is Outcome.FAILED
        assert str(record.error) == f"it returned the class {kind.__name__}: return or raise an instance of it"
        assert details.state is JobState.ACTIVE


async def test_a_verdict_of_ones_own_is_none():
    class Mine(Verdict):
        pass

    async with open_scheduler(max_workers=1) as scheduler:
        record, _ = await run(scheduler, saying(Mine(), raised=True))
        assert (record.outcome, type(record.error)) == (Outcome.FAILED, TypeError)


async def test_verdicts_check_what_they_are_given():
    for wrong in (lambda: Retry(-1), lambda: Snooze(-1), lambda: Snooze("soon"), lambda: Retry(float("nan"))):
        with pytest.raises(ConfigurationError):
            wrong()


async def test_verdicts_say_what_they_are():
    said = [Retry(), Snooze(1), GiveUp(), GiveUp("x"), CancelJob(), CancelJob("x")]
    assert [str(verdict) for verdict in said] == [
        "it asked to be tried again",
        "it asked to go on later",
        "it gave up",
        "it gave up: x",
        "it ended its job",
        "it ended its job: x",
    ]


@both_ways
@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Retry(0), Outcome.INTERRUPTED),
        (Snooze(0), Outcome.INTERRUPTED),
        (GiveUp(), Outcome.FAILED),
        (CancelJob(), Outcome.CANCELLED),
    ],
    ids=str,
)
async def test_while_a_shutdown_waits_for_it(verdict, outcome, raised):
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Never(), 5)
        job_id = await scheduler.add_job(request, saying(verdict, raised=raised))
        await scheduler.trigger_job_now(job_id)
        await anyio.sleep(0.5)
        report = await scheduler.shutdown_graceful()
    (record,) = (*report.finished, *report.interrupted)
    assert record.outcome is outcome
    assert bool(report.interrupted) is (outcome is Outcome.INTERRUPTED)


async def test_a_budget_over_all_attempts():
    """Attempts take ten seconds each; another may begin up to a minute after the first one began."""
    began = []

    async def job():
        began.append(anyio.current_time())
        await anyio.sleep(10)
        raise ValueError

    async with open_scheduler(max_workers=1, rng=random.Random(1)) as scheduler:
        policy = ExponentialBackoff(5, factor=2, jitter=0, max_elapsed=60)
        record, _ = await run(scheduler, job, max_retries=50, retry=policy)
        assert began == [0, 15, 35]
        assert (record.outcome, record.attempts) == (Outcome.FAILED, 3)
        assert record.reason == "it raised ValueError; its retry policy gave up"
        assert anyio.current_time() == 45


async def test_cancel_job_ends_those_that_wait_and_not_those_that_execute():
    async def job():
        await anyio.sleep(5)
        return CancelJob() if len(done) == 0 else done.append(1)

    done = []
    async with open_scheduler(max_workers=2) as scheduler:
        request = RecurringJobRequest("job", Never(), overlap=Overlap.ALLOW_ALL, max_concurrent=2)
        job_id = await scheduler.add_job(request, job)
        runs = [await scheduler.trigger_job_now(job_id)]
        await anyio.sleep(1)
        runs += [await scheduler.trigger_job_now(job_id) for _ in range(3)]
        await anyio.sleep(4.5)
        done.append(0)
        outcomes = [(await scheduler.wait_run(run_id)).outcome for run_id in runs]
        assert outcomes == [Outcome.CANCELLED, Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.CANCELLED]
        assert anyio.current_time() == 6
