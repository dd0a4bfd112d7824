"""What the pages on control say in words, where no example on the page shows it: one test for each sentence."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest
from sample_jobs import nothing

from turnkeeper_trio import (
    After,
    CancelJob,
    CatchUp,
    CriticalJobFailed,
    FixedDelay,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobActive,
    JobEnded,
    JobExists,
    JobHalted,
    JobSet,
    JobState,
    OnConflict,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunPhase,
    Scheduler,
    SchedulerClosed,
    Snooze,
    current_run,
    open_scheduler,
)
from turnkeeper_trio import Retry as RetryVerdict

pytestmark = pytest.mark.anyio
EVERY = Interval(seconds=10)
request = partial(RecurringJobRequest, "job")


async def fail() -> None:
    raise OSError("no")


def when_asked(answer: Callable[[], object]) -> Callable[[], Any]:
    """Return a job that runs until it is asked to end, and then does something else than to end."""

    async def job() -> object:
        try:
            await anyio.sleep_forever()
        except BaseException:  # the cancellation of either back end
            return answer()

    return job


async def ended(scheduler: Scheduler, job_id: Any) -> list[tuple[Outcome, str]]:
    return [(record.outcome, record.reason) for record in reversed(await scheduler.get_run_history(job_id))]


# overlap.md


async def test_max_waiting_of_zero_skips_what_is_beyond_max_concurrent() -> None:
    async with open_scheduler(max_workers=9, shutdown_grace=0) as scheduler:
        rules = request(EVERY, overlap=Overlap.ALLOW_ALL, max_concurrent=3, max_waiting=0)
        job_id = await scheduler.add_job(rules, anyio.sleep, 100)
        await anyio.sleep(55)
        assert [run.phase for run in await scheduler.list_active_runs(job_id)] == [RunPhase.EXECUTING] * 3
        assert await ended(scheduler, job_id) == [(Outcome.SKIPPED, "max_waiting others were waiting already")]


async def test_a_run_by_hand_may_choose_its_policy() -> None:
    async with open_scheduler(max_workers=9, shutdown_grace=0) as scheduler:
        job_id = await scheduler.add_job(request(), anyio.sleep, 100)
        first = await scheduler.trigger_job_now(job_id)
        with pytest.raises(JobActive) as refused:
            await scheduler.trigger_job_now(job_id)
        assert refused.value.run_id == first
        await scheduler.trigger_job_now(job_id, overlap=Overlap.BUFFER_ALL)
        assert len(await scheduler.list_active_runs(job_id)) == 2


async def test_a_run_that_waits_for_a_worker_is_in_the_way() -> None:
    async with open_scheduler(max_workers=1, shutdown_grace=0) as scheduler:
        await scheduler.add_job(request(After(1)), anyio.sleep, 100)
        job_id = await scheduler.add_job(request(EVERY), nothing)
        await anyio.sleep(25)
        assert [outcome for outcome, _ in await ended(scheduler, job_id)] == [Outcome.SKIPPED]


# hanging.md


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda: "done", Outcome.SUCCEEDED),
        (lambda: False, Outcome.FAILED),
        (lambda: RetryVerdict(1), Outcome.FAILED),
        (lambda: Snooze(1), Outcome.CANCELLED),
        (GiveUp, Outcome.FAILED),
        (CancelJob, Outcome.CANCELLED),
    ],
)
async def test_a_cancel_tells_what_happened_and_nothing_is_tried_again(
    answer: Callable[[], object], outcome: Outcome
) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(After(0), max_retries=3), when_asked(answer))
        await anyio.sleep(1)
        (run,) = await scheduler.list_active_runs(job_id)
        record = await scheduler.cancel_run(run.run_id, reason="first")
        assert (record.outcome, record.attempts) == (outcome, 1)
        assert await scheduler.cancel_run(run.run_id, reason="second") == record


async def test_the_first_to_strike_is_on_record() -> None:
    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)

    async with open_scheduler(max_workers=2) as scheduler:
        for timeout, cancelled_at, outcome in ((5, 8, Outcome.TIMED_OUT), (8, 5, Outcome.CANCELLED)):
            job_id = await scheduler.add_job(request(After(0), timeout=timeout), slow)
            await anyio.sleep(cancelled_at)
            (run,) = await scheduler.list_active_runs(job_id)
            assert (await scheduler.cancel_run(run.run_id)).outcome is outcome


# reload.md


async def test_keep_replace_and_raise() -> None:
    async with open_scheduler(max_workers=4, shutdown_grace=0) as scheduler:
        keyed = request(EVERY, key="k")
        job_id = await scheduler.add_job(keyed, anyio.sleep, 100)
        await anyio.sleep(11)
        await scheduler.add_job(keyed.replace(priority=5), anyio.sleep, 1, on_conflict=OnConflict.KEEP)
        assert (await scheduler.get_job_details(job_id)).priority == 0
        with pytest.raises(JobExists) as exists:
            await scheduler.add_job(keyed, anyio.sleep, 1, on_conflict=OnConflict.RAISE)
        assert exists.value.job_id == job_id
        assert await scheduler.add_job(keyed, anyio.sleep, 50, on_conflict=OnConflict.REPLACE) == job_id
        await anyio.sleep(11)
        (run,) = await scheduler.list_active_runs(job_id)  # that of the old job, which the new one reckons with
        assert (await scheduler.get_run_history(job_id))[0].outcome is Outcome.SKIPPED
        await scheduler.cancel_job(job_id, cancel_running=True)
        assert (await scheduler.get_run_history(job_id))[0].run_id == run.run_id


async def test_a_finished_job_begins_again_when_it_is_added_and_not_when_it_is_applied() -> None:
    ran = []

    async def job() -> None:
        ran.append(1)

    jobs = JobSet()
    jobs.add(RecurringJobRequest("once", After(1)), job)
    async with open_scheduler(max_workers=1) as scheduler:
        (job_id,) = (await scheduler.apply(jobs)).added
        await scheduler.wait_job(job_id)
        assert (await scheduler.apply(jobs)).unchanged == (job_id,)
        (entry,) = jobs
        assert await scheduler.add_job(entry.request, job) == job_id
        await scheduler.wait_job(job_id)
        assert len(ran) == len(await scheduler.get_run_history(job_id)) == 2
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED


async def test_a_cancelled_job_stays_cancelled_until_it_is_replaced() -> None:
    jobs = JobSet()
    jobs.add(RecurringJobRequest("recurring", EVERY), nothing)
    (entry,) = jobs
    async with open_scheduler(max_workers=1) as scheduler:
        (job_id,) = (await scheduler.apply(jobs)).added
        await scheduler.cancel_job(job_id)
        assert (await scheduler.apply(jobs)).unchanged == (job_id,)
        await scheduler.add_job(entry.request, nothing)
        assert (await scheduler.get_job_details(job_id)).state is JobState.CANCELLED
        await scheduler.add_job(entry.request, nothing, on_conflict=OnConflict.REPLACE)
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE


async def test_a_job_that_a_set_left_out_comes_back_with_the_next() -> None:
    jobs = JobSet()
    jobs.add(RecurringJobRequest("recurring", EVERY), nothing)
    async with open_scheduler(max_workers=1) as scheduler:
        (job_id,) = (await scheduler.apply(jobs)).added
        assert (await scheduler.apply(JobSet())).removed == (job_id,)
        assert (await scheduler.apply(jobs)).added == (job_id,)


async def test_applying_another_set_removes_the_jobs_of_the_one_before_and_no_others() -> None:
    one, other = JobSet(), JobSet()
    one.add(RecurringJobRequest("one", EVERY), nothing)
    other.add(RecurringJobRequest("other", EVERY), nothing)
    async with open_scheduler(max_workers=1) as scheduler:
        own = await scheduler.add_job(request(EVERY), nothing)
        (first,) = (await scheduler.apply(one)).added
        assert (await scheduler.apply(other)).removed == (first,)
        assert (await scheduler.get_job_details(own)).state is JobState.ACTIVE


# deploy.md


async def test_being_interrupted_is_no_failure() -> None:
    rules = request(After(0), max_retries=2, halt_after=1, critical=True)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(rules, anyio.sleep, 100)
        await anyio.sleep(1)
        (record,) = (await scheduler.shutdown_force()).interrupted
        details = await scheduler.get_job_details(job_id)
    assert record.outcome is Outcome.INTERRUPTED
    assert (details.consecutive_failures, details.state) == (0, JobState.ACTIVE)
    assert scheduler.get_metrics_snapshot().jobs_permanently_failed == 0


async def test_what_is_due_in_a_pause_of_everything_is_never_started_by_a_shutdown() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(request(EVERY), nothing)
        async with scheduler.paused():
            await anyio.sleep(15)
            assert len((await scheduler.shutdown_graceful()).never_started) == 1


# maintenance.md


async def test_pauses_of_everything_are_independent() -> None:
    ran = []

    async def job() -> None:
        ran.append(1)

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(request(EVERY), job)
        async with scheduler.paused():
            async with scheduler.paused():
                await scheduler.pause_all()
                await scheduler.pause_all()
                await scheduler.resume_all()
            await anyio.sleep(35)
            assert not ran
        await anyio.sleep(1)
        assert len(ran) == 1


@pytest.mark.parametrize("of_all", [False, True])
async def test_a_retry_waits_for_the_end_of_a_pause(of_all: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(After(0), max_retries=1, retry=FixedRetryDelay(5)), fail)
        await anyio.sleep(1)
        if of_all:
            async with scheduler.paused():  # entered at once: nothing executes
                await anyio.sleep(30)
        else:
            await scheduler.pause_job(job_id)
            await anyio.sleep(30)
            await scheduler.resume_job(job_id)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.started_at is not None
        assert (record.attempts, (record.finished_at - record.started_at).total_seconds()) == (2, 31)


@pytest.mark.parametrize(("of_all", "begins_at"), [(False, 20), (True, 60)])
async def test_a_run_by_hand_that_has_not_begun_waits_for_the_end_of_a_pause_of_all_jobs_only(
    of_all: bool, begins_at: int
) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        begin = anyio.current_time()
        await scheduler.add_job(request(After(0)), anyio.sleep, 20)
        job_id = await scheduler.add_job(request(), nothing)
        await anyio.sleep(1)
        run_id = await scheduler.trigger_job_now(job_id)
        await (scheduler.pause_all() if of_all else scheduler.pause_job(job_id))
        await anyio.sleep(59)
        await scheduler.resume_all()
        record = await scheduler.wait_run(run_id)
        assert record.lateness == begins_at - 1
        assert anyio.current_time() - begin == 60


async def test_a_paused_job_can_be_triggered_and_a_job_whose_last_instant_passed_finishes_at_its_resume() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        until = scheduler.now() + timedelta(seconds=25)
        job_id = await scheduler.add_job(request(EVERY, until=until), nothing)
        await scheduler.pause_job(job_id)
        by_hand = await scheduler.trigger_job_now(job_id)
        assert (await scheduler.wait_run(by_hand)).outcome is Outcome.SUCCEEDED
        await anyio.sleep(60)
        await scheduler.resume_job(job_id, missed=CatchUp.NONE)
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED


async def test_a_fixed_delay_counts_anew_from_a_resume() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(FixedDelay(seconds=10)), nothing)
        await anyio.sleep(7)
        await scheduler.pause_job(job_id)
        await anyio.sleep(30)
        await scheduler.resume_job(job_id)
        due = (await scheduler.get_job_details(job_id)).next_run_time
        assert due is not None
        assert (due - scheduler.now()).total_seconds() == 10


# late.md


async def test_the_one_that_catch_up_chooses_must_start_in_time_too() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(EVERY, start_deadline=3), nothing)
        async with scheduler.paused():
            await anyio.sleep(35)
        await anyio.sleep(1)
        reasons = [reason for _, reason in await ended(scheduler, job_id)]
        assert reasons == [
            "its instant passed before the scheduler could look",
            "it could not start before its start_deadline",
        ]


async def test_a_schedule_that_cannot_count_is_listed_up_to_a_thousand() -> None:
    class EverySecond:
        def next_after(self, after: datetime, /) -> datetime:
            return after.replace(microsecond=0) + timedelta(seconds=1)

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(EverySecond(), catch_up=CatchUp.NONE), nothing)
        async with scheduler.paused():
            await anyio.sleep(5000.5 + 60)
        await anyio.sleep(0.1)
        (record, *_) = reversed(await scheduler.get_run_history(job_id))
        assert re.search("at least 100[01]", record.reason)


# update.md


async def test_a_run_under_way_ends_under_the_new_rules() -> None:
    ran = []

    async def new(text: str) -> None:
        ran.append(text)

    async def old() -> None:
        await anyio.sleep(5)
        raise OSError("no")

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(After(0)), old)
        await anyio.sleep(1)
        await scheduler.update_job(job_id, fn=new, args=("new",), max_retries=1, retry=FixedRetryDelay(3))
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert (record.outcome, record.attempts, ran) == (Outcome.SUCCEEDED, 2, ["new"])
        with pytest.raises(JobEnded):
            await scheduler.update_job(job_id, priority=1)


@pytest.mark.parametrize(("changes", "instants"), [({}, [5, 37]), ({"initial_run_time": None}, [5, 37])])
async def test_an_initial_run_that_was_is_not_run_again_with_another_schedule(
    changes: dict[str, Any], instants: list[int]
) -> None:
    ran = []

    async def job() -> None:
        ran.append(round((current_run().scheduled_at - begin).total_seconds()))

    async with open_scheduler(max_workers=1) as scheduler:
        begin = scheduler.now()
        job_id = await scheduler.add_job(request(EVERY, initial_run_time=begin + timedelta(seconds=5)), job)
        await anyio.sleep(7)
        await scheduler.update_job(job_id, schedule=Interval(seconds=30), **changes)
        await anyio.sleep(31)
    assert ran == instants


# failures.md


async def test_a_halted_job_can_be_resumed_and_cancelled_and_neither_triggered_nor_paused() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(EVERY, halt_after=2), fail)
        await anyio.sleep(35)
        assert len(await scheduler.get_run_history(job_id, outcomes={Outcome.FAILED})) == 2
        assert (await scheduler.get_job_details(job_id)).state_reason == "2 runs in a row failed for good"
        for refused in (scheduler.trigger_job_now, scheduler.pause_job):
            with pytest.raises(JobHalted):
                await refused(job_id)
        await scheduler.resume_job(job_id)
        details = await scheduler.get_job_details(job_id)
        assert details.consecutive_failures == 0
        assert details.next_run_time is not None
        assert details.next_run_time > scheduler.now()


async def test_cancelled_runs_leave_the_count_of_failures_and_a_success_takes_it_to_zero() -> None:
    answers = iter([False, False, "cancel", False, True])

    async def job() -> object:
        answer = next(answers, None)
        if answer == "cancel":
            await anyio.sleep_forever()
        return answer

    counts = []
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request(EVERY), job)
        for _ in range(5):
            await anyio.sleep(10.5)
            for run in await scheduler.list_active_runs(job_id):
                await scheduler.cancel_run(run.run_id)
            counts.append((await scheduler.get_job_details(job_id)).consecutive_failures)
    assert counts == [1, 2, 2, 3, 0]


async def test_the_error_of_the_body_goes_before_a_critical_failure() -> None:
    async def body() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(request(After(1), critical=True), fail)
            try:
                await anyio.sleep_forever()
            finally:
                raise LookupError("the body")

    with pytest.raises(LookupError) as caught:
        await body()
    assert any("the critical job 'job' failed" in note for note in caught.value.__notes__)


async def test_a_critical_failure_cuts_off_the_others_and_waits_for_them() -> None:
    cleaned = []

    async def other() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            cleaned.append(1)

    async def body() -> None:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(request(After(0)), other)
            await scheduler.add_job(request(After(1), critical=True), fail)
            await anyio.sleep_forever()

    with pytest.raises(CriticalJobFailed):
        await body()
    assert cleaned == [1]


# events.md


async def test_a_subscription_can_be_to_one_job_and_none_begins_after_the_end() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(request(EVERY), nothing)
        job_id = await scheduler.add_job(request(EVERY), nothing)
        async with scheduler.events(job_id=job_id) as events:
            await anyio.sleep(35)
            await scheduler.shutdown_graceful()
            told = [event async for event in events]
    assert {event.job_id for event in told[:-1]} == {job_id}
    assert type(told[-1]).__name__ == "SchedulerStopped"
    with pytest.raises(SchedulerClosed):
        async with scheduler.events():
            pass


# scoped.md


async def test_leaving_a_scoped_job_by_an_exception_cancels_its_runs() -> None:
    outcomes: list[Outcome] = []

    class Watcher:
        def on_run_finished(self, event: Any) -> None:
            outcomes.append(event.record.outcome)

    async with open_scheduler(max_workers=1, observers=[Watcher()]) as scheduler:
        with pytest.raises(KeyError):
            async with scheduler.scheduled(request(After(0)), anyio.sleep, 100):
                await anyio.sleep(1)
                raise KeyError
        assert await scheduler.list_all_jobs() == []
        async with scheduler.scheduled(request(EVERY), nothing) as job_id:
            await scheduler.delete_job(job_id)
        async with scheduler.scheduled(request(EVERY), nothing):
            await scheduler.shutdown_graceful()
    assert outcomes == [Outcome.CANCELLED]
