"""Changing a job while it lives: each kind of field, each state, and a run under way."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from sample_jobs import fail

from turnkeeper_trio import (
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobEnded,
    JobNotFound,
    JobState,
    Never,
    Outcome,
    Overlap,
    RecurringJobRequest,
    VersionConflict,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.events import JobUpdated

pytestmark = pytest.mark.anyio

START = datetime(2000, 1, 1, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


class Ran:
    """Notes when it began."""

    def __init__(self, seconds=0):
        self.seconds, self.at = seconds, []

    async def __call__(self, *args, **kwargs):
        self.at.append((anyio.current_time(), *args, *kwargs.values()) if args or kwargs else anyio.current_time())
        await anyio.sleep(self.seconds)


async def test_an_equal_schedule_keeps_the_grid_the_pending_run_and_the_history():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await anyio.sleep(15)
        before = await scheduler.get_job_details(job_id)
        changes = {"schedule": Interval(seconds=10), "name": "renamed", "tags": ("a",), "max_retries": 2}
        assert await scheduler.update_job(job_id, **changes) == 2
        after = await scheduler.get_job_details(job_id)
        assert after.next_run_instance == before.next_run_instance
        assert after.next_run_time == before.next_run_time == at(20)
        assert after.schedule == before.schedule
        assert (after.name, after.tags, after.max_retries, after.version) == ("renamed", ("a",), 2, 2)
        assert after.last_success == before.last_success.__class__(
            **{name: getattr(before.last_success, name) for name in before.last_success.__slots__} | {"name": "renamed"}
        )
        await anyio.sleep(10)
        assert ran.at == [10, 20]
        assert scheduler.get_metrics_snapshot().books.superseded == 0


async def test_another_schedule_begins_a_new_grid_and_supersedes_what_was_planned():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await anyio.sleep(12)
        old = (await scheduler.get_job_details(job_id)).next_run_instance
        await scheduler.update_job(job_id, schedule=Interval(3))
        record = await scheduler.wait_run(old)
        assert (record.outcome, record.reason) == (Outcome.SUPERSEDED, "its job was updated")
        await anyio.sleep(7)
        assert ran.at == [10, 15, 18]
        assert (await scheduler.get_job_details(job_id)).last_success is not None


@pytest.mark.parametrize("schedule", [FixedDelay(4), Interval(4)], ids=str)
async def test_to_another_kind_of_schedule_and_back(schedule):
    ran = Ran(1)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", FixedDelay(10)), ran)
        await anyio.sleep(2)
        await scheduler.update_job(job_id, schedule=schedule)
        await anyio.sleep(9)
        await scheduler.update_job(job_id, schedule=FixedDelay(10))
        await anyio.sleep(30)
        # A fixed delay is counted from the end of the run that was under way at the update, if one was.
        assert ran.at == ([6, 11, 22, 33] if isinstance(schedule, FixedDelay) else [6, 10, 21, 32])
        assert scheduler.get_metrics_snapshot().books.balanced


async def test_a_job_that_is_to_run_never_again_is_finished():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        await scheduler.update_job(job_id, schedule=Never())
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED


async def test_a_run_under_way_goes_on_and_ends_under_the_new_rules():
    async def job(attempts):
        attempts.append(anyio.current_time())
        await anyio.sleep(10)
        raise ValueError

    old, new = [], []
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job"), job, old)
        run_id = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        await scheduler.update_job(job_id, max_retries=1, retry=FixedRetryDelay(5), timeout=3, args=(new,))
        record = await scheduler.wait_run(run_id)
        assert (old, new) == ([0], [15])
        assert (record.outcome, record.attempts, record.duration) == (Outcome.TIMED_OUT, 2, 13)


async def test_function_and_arguments():
    first, second = Ran(), Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        scheduler.register("second", second)
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), first, 1, kwargs={"a": 2})
        await anyio.sleep(11)
        assert await scheduler.update_job(job_id, fn="second") == 2
        await anyio.sleep(10)
        assert await scheduler.update_job(job_id, args=(3,), kwargs={}) == 3
        await anyio.sleep(10)
        assert await scheduler.update_job(job_id, fn=first, args=(3,), kwargs={}) == 4
        await anyio.sleep(10)
    assert first.at == [(10, 1, 2), (40, 3)]
    assert second.at == [(20, 1, 2), (30, 3)]


async def test_nothing_new_changes_nothing_and_is_not_told():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobUpdated) as told:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        assert await scheduler.update_job(job_id) == 1
        assert await scheduler.update_job(job_id, fn=anyio.sleep, args=(0,), kwargs={}, name="job") == 1
        assert await scheduler.update_job(job_id, priority=3) == 2
        event = await anext(told)
        assert (event.version, event.name, event.next_run_time, event.job_id) == (2, "job", at(10), job_id)


async def test_versions():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        assert await scheduler.update_job(job_id, if_version=1, priority=1) == 2
        with pytest.raises(VersionConflict) as caught:
            await scheduler.update_job(job_id, if_version=1, priority=2)
        assert caught.value.job_id == job_id
        assert (await scheduler.get_job_details(job_id)).priority == 1
        assert await scheduler.update_job(job_id, if_version=2, priority=2) == 3


async def test_of_two_who_change_it_at_once_one_wins():
    results = []

    async def change(priority):
        try:
            results.append(await scheduler.update_job(job_id, if_version=1, priority=priority))
        except VersionConflict:
            results.append("conflict")

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job"), anyio.sleep, 0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(change, 1)
            tasks.start_soon(change, 2)
    assert sorted(results, key=str) == [2, "conflict"]


async def test_priority_is_heeded_by_runs_that_wait_for_a_worker():
    order = []

    async def job():
        order.append(current_run().name)
        await anyio.sleep(1)

    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=1) as scheduler:
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("busy"), anyio.sleep, 5))
        jobs = {name: await scheduler.add_job(RecurringJobRequest(name), job) for name in "abc"}
        for job_id in jobs.values():
            await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        await scheduler.update_job(jobs["c"], priority=1)
        await scheduler.update_job(jobs["a"], priority=-1)
        await scheduler.wait_idle()
    assert order == ["c", "b", "a"]


@pytest.mark.parametrize("bound", [{"max_runs": 3}, {"until": at(30)}], ids=str)
async def test_narrower_bounds_and_wider_ones(bound):
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), max_runs=5), ran)
        await anyio.sleep(15)
        await scheduler.update_job(job_id, **bound)
        await anyio.sleep(50)
        assert ran.at == [10, 20, 30]
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.next_run_time) == (JobState.FINISHED, None)
        with pytest.raises(JobEnded):
            await scheduler.update_job(job_id, max_runs=9)


async def test_bounds_that_have_passed_supersede_what_is_planned_and_finish_the_job():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        await anyio.sleep(25)
        await scheduler.update_job(job_id, max_runs=2)
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED
        (record, *_) = await scheduler.get_run_history(job_id)
        assert (record.outcome, record.scheduled_at) == (Outcome.SUPERSEDED, at(30))
        assert await scheduler.wait_job(job_id) is not None


async def test_wider_bounds_while_the_last_run_is_under_way():
    ran = Ran(15)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), max_runs=1), ran)
        await anyio.sleep(12)
        assert (await scheduler.get_job_details(job_id)).next_run_time is None
        await scheduler.update_job(job_id, max_runs=2, overlap=Overlap.BUFFER_ONE)
        await scheduler.wait_job(job_id)
        assert ran.at == [10, 25]


async def test_a_paused_job_stays_paused_and_goes_on_by_its_new_rules():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await scheduler.pause_job(job_id, note="n")
        await scheduler.update_job(job_id, schedule=Interval(7), timeout=1)
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason, details.next_run_time) == (JobState.PAUSED, "n", None)
        await anyio.sleep(5)
        await scheduler.resume_job(job_id)
        await anyio.sleep(10)
        assert ran.at == [7, 14]


async def test_a_paused_job_whose_bounds_have_passed_finishes_when_it_is_resumed():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        await scheduler.pause_job(job_id)
        await scheduler.update_job(job_id, until=at(5))
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED
        await scheduler.resume_job(job_id)
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED


async def test_a_halted_job_goes_on_with_another_schedule_and_with_nothing_else():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), halt_after=1), fail)
        await anyio.sleep(11)
        await scheduler.update_job(job_id, timeout=5)
        assert (await scheduler.get_job_details(job_id)).state is JobState.HALTED
        await scheduler.update_job(job_id, schedule=Interval(20))
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason, details.next_run_time) == (JobState.ACTIVE, "", at(31))


async def test_what_is_wrong_is_refused_and_changes_nothing():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), key="k"), anyio.sleep, 0)
        before = await scheduler.get_job_details(job_id)
        for parameter, changes in {
            "key": {"key": "other"},
            "timeout": {"timeout": -1},
            "no_such": {"no_such": 1},
            "retry": {"retry": FixedRetryDelay(1)},
            "max_concurrent": {"max_concurrent": 2},
            "fn": {"fn": "not registered"},
        }.items():
            with pytest.raises(ConfigurationError) as caught:
                await scheduler.update_job(job_id, **changes)
            assert caught.value.parameter == parameter
        with pytest.raises(TypeError):
            await scheduler.update_job(job_id, fn=5)
        assert await scheduler.get_job_details(job_id) == before
        with pytest.raises(JobNotFound):
            await scheduler.update_job(before.next_run_instance, priority=1)
        await scheduler.cancel_job(job_id)
        with pytest.raises(JobEnded):
            await scheduler.update_job(job_id, priority=1)


async def test_never_two_at_once_unless_allowed():
    """Whichever the old and the new overlap policy, a run that begins after an update goes by the new one."""
    alive, most = 0, 0

    async def job():
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        await anyio.sleep(7)
        alive -= 1

    async with open_scheduler(max_workers=9, shutdown_grace=0) as scheduler:
        request = RecurringJobRequest("job", Interval(1), overlap=Overlap.ALLOW_ALL, max_concurrent=4)
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(20)
        assert most == 4
        await scheduler.update_job(job_id, overlap=Overlap.BUFFER_ONE, max_concurrent=None)
        await anyio.sleep(14)
        most = alive
        await anyio.sleep(50)
        assert most == 1
        await scheduler.update_job(job_id, overlap=Overlap.ALLOW_ALL, max_concurrent=2)
        await anyio.sleep(20)
        assert most == 2
