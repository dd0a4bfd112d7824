"""Waiting, history, metrics: the answers are right, and the history stays within its bounds."""

import json
from datetime import timedelta
from typing import Any

import anyio
import pytest
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    JobState,
    Once,
    Outcome,
    RecurringJobRequest,
    RunNotFound,
    RunNotSucceeded,
    RunPhase,
    WouldDeadlock,
    current_run,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio


async def value(of: Any) -> Any:
    return of


async def fail() -> None:
    raise ValueError("down")


async def test_wait_run_waits_for_a_planned_an_active_and_an_ended_run() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), anyio.sleep, 3)
        run_id = (await scheduler.get_job_details(job_id)).next_run_instance
        assert run_id is not None
        for end in (13, 13):
            record = await scheduler.wait_run(run_id)
            assert anyio.current_time() == end
            assert (record.run_id, record.job_id, record.outcome) == (run_id, job_id, Outcome.SUCCEEDED)
        run_id = (await scheduler.get_job_details(job_id)).next_run_instance
        assert run_id is not None
        await anyio.sleep(8)
        [active] = await scheduler.list_active_runs()
        assert active.run_id == run_id
        assert (await scheduler.wait_run(run_id)).duration == 3


async def test_wait_run_is_answered_where_the_occurrence_never_runs() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), nothing)
        run_id = (await scheduler.get_job_details(job_id)).next_run_instance
        assert run_id is not None
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                assert (await scheduler.wait_run(run_id)).outcome is Outcome.SKIPPED

            group.start_soon(wait)
            await anyio.sleep(1)
            await scheduler.skip_next_run(job_id)


async def test_wait_job_waits_for_the_last_run_of_the_lineage() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        once = await scheduler.add_job(RecurringJobRequest("once", Once(scheduler.now().add(seconds=30))), value, 7)
        record = await scheduler.wait_job(once)
        assert anyio.current_time() == 30
        assert record is not None
        assert record.unwrap() == 7
        assert await scheduler.wait_job(once) == record
        by_hand = await scheduler.add_job(RecurringJobRequest("by hand"), nothing)
        with pytest.raises(
            RunNotFound, match="no run of 'by hand' has begun, and none is planned: it is active"
        ) as no_run:
            await scheduler.wait_job(by_hand)
        assert no_run.value.job_id == by_hand


async def test_wait_idle_waits_until_nothing_is_active_and_nothing_planned() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.wait_idle()
        await scheduler.add_job(RecurringJobRequest("later", After(50)), anyio.sleep, 5)
        await scheduler.add_job(NOW, anyio.sleep, 7)
        await scheduler.wait_idle(due_only=True)
        assert anyio.current_time() == 7
        await scheduler.wait_idle()
        assert anyio.current_time() == 55


async def test_wait_idle_counts_a_waiting_retry_as_active() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", After(0), 1, retry=FixedRetryDelay(20)), fail)
        await scheduler.wait_idle(due_only=True)
        assert anyio.current_time() == 20


async def test_a_wait_that_is_given_up_leaves_nothing_behind() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("later", After(50)), nothing)
        for wait in (scheduler.wait_idle, lambda: scheduler.wait_job(job_id)):
            with anyio.move_on_after(5) as scope:
                await wait()
            assert scope.cancelled_caught
        assert len(scheduler._parts.engine.state.waits) == 0


async def test_a_job_may_wait_for_another_where_there_is_a_second_worker() -> None:
    async def job() -> Any:
        child = await current_scheduler().add_job(NOW, value, 7)
        record = await current_scheduler().wait_job(child)
        assert record is not None
        return record.unwrap()

    async with open_scheduler(max_workers=2) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, job))
        assert record is not None
        assert record.unwrap() == 7


async def test_the_only_worker_may_not_wait_for_another_run() -> None:
    async def job() -> None:
        child = await current_scheduler().add_job(NOW, value, 7)
        await current_scheduler().wait_job(child)

    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, job))
        assert record is not None
        assert isinstance(record.error, WouldDeadlock)


async def test_the_record_of_a_run_tells_its_whole_story() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        begin = scheduler.now()
        await scheduler.add_job(NOW, anyio.sleep, 10)
        at = begin + timedelta(seconds=3)
        request = RecurringJobRequest("job", max_retries=1, retry=FixedRetryDelay(5), initial_run_time=at)

        async def job() -> str:
            await anyio.sleep(2)
            if current_run().attempt == 1:
                raise ValueError
            return "value"

        record = await scheduler.wait_job(await scheduler.add_job(request, job))
        assert record is not None
        assert (record.name, record.origin.value, record.attempts) == ("job", "initial", 2)
        assert (record.scheduled_at, record.due_at) == (at, at)
        assert record.started_at == begin + timedelta(seconds=10)
        assert record.finished_at == begin + timedelta(seconds=19)
        assert (record.lateness, record.duration, record.count) == (7, 4, 1)
        assert record.unwrap() == "value"
        assert json.loads(json.dumps(record.to_json()))["outcome"] == "succeeded"


async def test_unwrap_raises_what_happened_instead() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, fail))
        assert record is not None
        with pytest.raises(RunNotSucceeded, match="it raised ValueError") as refused:
            record.unwrap()
        assert isinstance(refused.value.__cause__, ValueError)
        assert refused.value.record == record


async def test_history_is_told_newest_first_and_by_what_is_asked_for() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        good = await scheduler.add_job(RecurringJobRequest("good", Interval(seconds=10)), nothing)
        bad = await scheduler.add_job(RecurringJobRequest("bad", Interval(seconds=15)), fail)
        begin = scheduler.now()
        await anyio.sleep(61)
        records = await scheduler.get_run_history()
        times = [record.finished_at for record in records]
        assert times == sorted(times, reverse=True)
        assert len(records) == 10
        assert [record.job_id for record in await scheduler.get_run_history(good)] == [good] * 6
        failed = await scheduler.get_run_history(outcomes=[Outcome.FAILED])
        assert [record.job_id for record in failed] == [bad] * 4
        assert len(await scheduler.get_run_history(since=begin + timedelta(seconds=40))) == 5
        assert await scheduler.get_run_history(limit=3) == records[:3]
        assert await scheduler.get_run_history(good, outcomes=[Outcome.FAILED]) == []


async def test_history_stays_within_its_bounds() -> None:
    async with open_scheduler(max_workers=1, history_limit=7, history_per_job=5) as scheduler:
        one = await scheduler.add_job(RecurringJobRequest("one", Interval(seconds=1)), nothing)
        two = await scheduler.add_job(RecurringJobRequest("two", Interval(seconds=1)), nothing)
        await anyio.sleep(20.5)
        assert len(await scheduler.get_run_history()) == 7
        assert len(await scheduler.get_run_history(one)) <= 5
        assert len(await scheduler.get_run_history(two)) <= 5
        assert scheduler.get_metrics_snapshot().books.succeeded == 40


async def test_history_forgets_what_is_too_old() -> None:
    async with open_scheduler(max_workers=1, history_ttl=30) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
        assert record is not None
        await anyio.sleep(29)
        assert await scheduler.get_run_history() == [record]
        await anyio.sleep(2)
        assert await scheduler.get_run_history() == []
        with pytest.raises(RunNotFound):
            await scheduler.wait_run(record.run_id)


async def test_senseless_questions_are_refused_at_the_asker_and_hurt_nobody_else() -> None:
    """Regression: an argument that made the coordinator raise took the whole scheduler down."""
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", tags=("t",)), nothing)
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
        for question, parameter in (
            (lambda: scheduler.list_all_jobs(limit=0), "limit"),
            (lambda: scheduler.get_job_details([]), "job_id"),  # type: ignore[arg-type]
            (lambda: scheduler.wait_run({}), "run_id"),  # type: ignore[arg-type]
            (lambda: scheduler.get_run_history(limit=-1), "limit"),
            (lambda: scheduler.get_run_history(since=3), "since"),  # type: ignore[arg-type]
            (lambda: scheduler.get_run_history(since=scheduler.now().naive()), "since"),
        ):
            with pytest.raises(ConfigurationError) as refused:
                await question()
            assert refused.value.parameter == parameter
        for wrong in (5, "active", JobState.ACTIVE, ["active"], {JobState.ACTIVE: 1}):
            with pytest.raises(ConfigurationError, match="states must be"):
                await scheduler.list_all_jobs(states=wrong)  # type: ignore[arg-type]
            with pytest.raises(ConfigurationError, match="outcomes must be"):
                await scheduler.get_run_history(outcomes=wrong)  # type: ignore[arg-type]
        for wrong in (5, "t", [5], [""]):
            with pytest.raises(ConfigurationError, match="tags must be"):
                await scheduler.list_all_jobs(tags=wrong)  # type: ignore[arg-type]
        assert (await scheduler.get_job_details(str(job_id))).name == "job"


async def test_senseless_commands_are_refused_at_the_asker_and_hurt_nobody_else() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for command in (
            scheduler.cancel_job,
            scheduler.delete_job,
            scheduler.skip_next_run,
            scheduler.trigger_job_now,
            scheduler.cancel_run,
            scheduler.pause_job,
            scheduler.resume_job,
        ):
            with pytest.raises(ConfigurationError, match="id must be the id of a"):
                await command([])  # type: ignore[arg-type]
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))


async def test_jobs_are_listed_in_order_by_state_by_tag_and_by_page() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        ids = [
            await scheduler.add_job(
                RecurringJobRequest(str(n), After(100), tags=("even",) if n % 2 == 0 else ()), nothing
            )
            for n in range(6)
        ]
        await scheduler.cancel_job(ids[1])
        listed = await scheduler.list_all_jobs()
        assert [job.job_id for job in listed] == ids
        assert [job.name for job in await scheduler.list_all_jobs(states=[JobState.CANCELLED])] == ["1"]
        assert [job.name for job in await scheduler.list_all_jobs(tags=["even", "other"])] == ["0", "2", "4"]
        first = await scheduler.list_all_jobs(limit=4)
        assert [job.name for job in await scheduler.list_all_jobs(limit=4, after=first[-1].job_id)] == ["4", "5"]


async def test_active_runs_are_told_with_their_phase_and_age() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        first = await scheduler.add_job(RecurringJobRequest("first", After(0)), anyio.sleep, 10)
        second = await scheduler.add_job(RecurringJobRequest("second", After(0)), anyio.sleep, 10)
        await anyio.sleep(4)
        runs = await scheduler.list_active_runs()
        assert [(run.job_id, run.phase, run.attempt, run.running_for) for run in runs] == [
            (first, RunPhase.EXECUTING, 1, 4),
            (second, RunPhase.QUEUED, 0, 4),
        ]
        assert [run.job_id for run in await scheduler.list_active_runs(second)] == [second]
        await anyio.sleep(8)
        [run] = await scheduler.list_active_runs()
        assert (run.phase, run.running_for) == (RunPhase.EXECUTING, 2)


async def test_each_counter_counts_what_it_says() -> None:
    async def job() -> bool:
        attempt = current_run().attempt
        if attempt == 1:
            raise ValueError
        if attempt == 2:
            return False
        if attempt == 3:
            await anyio.sleep_forever()
        await anyio.sleep(3)
        return True

    async with open_scheduler(max_workers=1, staging_buffer_size=2) as scheduler:
        request = RecurringJobRequest("job", After(5), 5, retry=FixedRetryDelay(1), timeout=10)
        await scheduler.wait_job(await scheduler.add_job(request, job))
        await scheduler.wait_job(await scheduler.add_job(NOW, fail))
        scheduler.try_add_job(RecurringJobRequest("later", After(1_000)), nothing)
        scheduler.try_add_job(RecurringJobRequest("later", After(1_000)), nothing)
        with pytest.raises(Exception, match="staging is full"):
            scheduler.try_add_job(NOW, nothing)
        assert scheduler.get_metrics_snapshot().job_staging_buffer_current == 2
        jobs = await scheduler.list_all_jobs()
        await scheduler.cancel_job(jobs[-1].job_id)
        metrics = scheduler.get_metrics_snapshot()
        assert metrics.jobs_submitted == metrics.staging_submitted_total == 4
        assert metrics.staging_rejected_full == 1
        assert metrics.jobs_executed_success == 1
        assert metrics.jobs_executed_fail == 1
        assert metrics.jobs_panicked == 2
        assert metrics.jobs_timed_out == 1
        assert metrics.jobs_retried == 3
        assert metrics.jobs_permanently_failed == 1
        assert metrics.jobs_lineage_cancelled == 1
        assert metrics.jobs_instance_discarded_cancelled == 1
        assert metrics.job_queue_scheduled_current == 1
        assert metrics.job_staging_buffer_current == 0
        assert metrics.workers_active_current == 0
        assert (metrics.job_execution_duration.count, metrics.job_execution_duration.sum) == (5, 13)
        assert metrics.job_execution_duration.mean == 2.6
        assert (metrics.job_queue_wait_duration.count, metrics.job_queue_wait_duration.sum) == (2, 0)
        books = metrics.books
        assert (books.planned, books.pending, books.succeeded, books.failed, books.cancelled) == (4, 1, 1, 1, 1)
        assert books.balanced


async def test_the_time_a_run_waited_for_a_worker_is_counted() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(3):
            await scheduler.add_job(NOW, anyio.sleep, 10)
        await anyio.sleep(1)
        assert scheduler.get_metrics_snapshot().workers_active_current == 1
        await scheduler.wait_idle()
        waited = scheduler.get_metrics_snapshot().job_queue_wait_duration
        assert (waited.count, waited.sum, waited.mean) == (3, 30, 10)


async def test_an_occurrence_that_falls_due_while_one_runs_is_skipped_and_told(heard: Any) -> None:
    async with open_scheduler(max_workers=1, observers=[heard]) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), anyio.sleep, 35)
        await anyio.sleep(51)
        skipped = await scheduler.get_run_history(job_id, outcomes=[Outcome.SKIPPED])
        assert [(record.count, record.outcome) for record in skipped] == [(3, Outcome.SKIPPED)]
        assert scheduler.get_metrics_snapshot().books.skipped == 3
        await scheduler.shutdown_force()
    assert heard.names().count("OccurrenceSkipped") == 3
