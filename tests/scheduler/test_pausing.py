"""Pausing one job, or all: what goes on, what waits, and what happens at the resume."""

import anyio
import pytest

from turnkeeper_trio import (
    After,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobEnded,
    JobState,
    Never,
    Outcome,
    Overlap,
    RecurringJobRequest,
    WouldDeadlock,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import JobPaused, JobResumed

pytestmark = pytest.mark.anyio


class Ran:
    def __init__(self, seconds=0, fails=0):
        self.seconds, self.fails, self.at = seconds, fails, []

    async def __call__(self):
        self.at.append(anyio.current_time())
        await anyio.sleep(self.seconds)
        if len(self.at) <= self.fails:
            raise ValueError


async def test_a_paused_job_has_nothing_planned_and_goes_on_in_its_grid():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobPaused, JobResumed) as told:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await anyio.sleep(12)
        planned = (await scheduler.get_job_details(job_id)).next_run_instance
        await scheduler.pause_job(job_id, note="the shop moves")
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason, details.next_run_time) == (
            JobState.PAUSED,
            "the shop moves",
            None,
        )
        record = await scheduler.wait_run(planned)
        assert (record.outcome, record.reason) == (Outcome.CANCELLED, "paused: the shop moves")
        await anyio.sleep(4)
        await scheduler.resume_job(job_id)
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason) == (JobState.ACTIVE, "")
        assert details.next_run_instance != planned
        await anyio.sleep(10)
        assert ran.at == [10, 20]
        paused, resumed = await anext(told), await anext(told)
        assert (paused.job_id, paused.name, paused.note) == (job_id, "job", "the shop moves")
        assert (resumed.job_id, resumed.next_run_time) == (job_id, details.next_run_time)


async def test_twice_is_fine_and_the_note_may_be_changed():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobPaused, JobResumed) as told:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        await scheduler.resume_job(job_id)
        await scheduler.pause_job(job_id, note="first")
        await scheduler.pause_job(job_id)
        assert (await scheduler.get_job_details(job_id)).state_reason == "first"
        await scheduler.pause_job(job_id, note="second")
        assert (await scheduler.get_job_details(job_id)).state_reason == "second"
        await scheduler.resume_job(job_id)
        await scheduler.resume_job(job_id)
        await scheduler.shutdown_force()
        assert [type(event).__name__ async for event in told] == ["JobPaused", "JobResumed", "SchedulerStopped"]


async def test_what_executes_goes_on_its_retry_waits_and_what_has_not_begun_ends():
    ran = Ran(5, fails=1)
    async with open_scheduler(max_workers=1, shutdown_grace=0) as scheduler:
        request = RecurringJobRequest("job", Interval(3), 1, retry=FixedRetryDelay(5), overlap=Overlap.BUFFER_ALL)
        job_id = await scheduler.add_job(request.replace(until=scheduler.now().add(seconds=6)), ran)
        await anyio.sleep(7)
        first, second = await scheduler.list_active_runs()
        await scheduler.pause_job(job_id)
        assert (await scheduler.wait_run(second.run_id)).outcome is Outcome.CANCELLED
        await anyio.sleep(40)
        assert ran.at == [3]
        await scheduler.resume_job(job_id)
        assert (await scheduler.wait_run(first.run_id)).outcome is Outcome.SUCCEEDED
        assert ran.at == [3, 47]


async def test_a_paused_job_can_be_run_by_hand():
    ran = Ran(1)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await scheduler.pause_job(job_id)
        assert (await scheduler.wait_run(await scheduler.trigger_job_now(job_id))).outcome is Outcome.SUCCEEDED
        await anyio.sleep(50)
        assert ran.at == [0]
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED


async def test_who_waits_for_a_paused_job_waits_on_until_it_is_over():
    ended = []

    async def wait():
        await scheduler.wait_job(job_id)
        ended.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(10)), anyio.sleep, 1)
        tasks.start_soon(wait)
        await anyio.sleep(1)
        await scheduler.pause_job(job_id)
        tasks.start_soon(wait)
        await anyio.sleep(20)
        assert ended == []
        await scheduler.resume_job(job_id)
        await anyio.sleep(2)
        assert ended == [22, 22]
        for refused in (scheduler.pause_job, scheduler.resume_job):
            with pytest.raises(JobEnded):
                await refused(job_id)


async def test_a_paused_fixed_delay_counts_from_its_resumption():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", FixedDelay(10)), ran)
        await scheduler.pause_job(job_id)
        await anyio.sleep(33)
        await scheduler.resume_job(job_id)
        await anyio.sleep(11)
        assert ran.at == [43]


async def test_while_everything_is_paused_jobs_are_taken_and_nothing_begins():
    ran = Ran()
    async with open_scheduler(max_workers=3) as scheduler, scheduler.events(JobPaused, JobResumed) as told:
        await scheduler.pause_all(note="maintenance")
        await scheduler.pause_all(note="again")
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        by_hand = await scheduler.add_job(RecurringJobRequest("by hand"), ran)
        run_id = await scheduler.trigger_job_now(by_hand)
        await anyio.sleep(15)
        assert ran.at == []
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE
        await scheduler.resume_all()
        await scheduler.wait_run(run_id)
        await anyio.sleep(6)
        assert ran.at == [15, 15, 20]
        await scheduler.resume_all()
        paused, resumed = await anext(told), await anext(told)
        assert (paused.job_id, paused.name, paused.note, resumed.job_id) == (None, "", "maintenance", None)


async def test_blocks_that_pause_are_nested_and_each_holds_its_own_pause():
    ran = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        async with scheduler.paused():
            await scheduler.pause_all()
            async with scheduler.paused(wait=False):
                await anyio.sleep(11)
                await scheduler.resume_all()
                await anyio.sleep(10)
            await anyio.sleep(10)
            assert ran.at == []
        await anyio.sleep(1)
        assert ran.at == [31]


async def test_a_job_that_was_paused_before_is_paused_after():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        await scheduler.pause_job(job_id)
        async with scheduler.paused():
            pass
        await scheduler.resume_all()
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED


@pytest.mark.parametrize("wait", [True, False])
async def test_the_block_is_entered_when_nothing_executes_any_more_if_so_asked(wait):
    ran = Ran(20)
    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=1) as scheduler:
        for _ in range(3):
            await scheduler.add_job(RecurringJobRequest("job", After(0)), ran)
        await anyio.sleep(5)
        async with scheduler.paused(wait=wait):
            assert anyio.current_time() == (20 if wait else 5)
            await anyio.sleep(100)
            assert ran.at == [0], "the one that was bound ahead was taken back"
        await scheduler.wait_idle()
        assert len(ran.at) == 3


async def test_a_run_that_waits_for_its_retry_does_not_execute():
    ran = Ran(1, fails=1)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never(), 1, retry=FixedRetryDelay(5)), ran)
        await scheduler.trigger_job_now(job_id)
        await anyio.sleep(2)
        async with scheduler.paused():
            assert anyio.current_time() == 2
            await anyio.sleep(20)
            assert ran.at == [0]
        await scheduler.wait_idle()
        assert ran.at == [0, 22]


async def test_cancelled_while_entering_leaves_nothing_paused():
    ran = Ran(20)
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("long", After(0)), ran)
        await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await anyio.sleep(1)
        with anyio.move_on_after(3) as scope:
            async with scheduler.paused():
                raise AssertionError
        assert scope.cancelled_caught
        await anyio.sleep(7)
        assert ran.at == [0, 10]


@pytest.mark.parametrize("ends", ["exception", "cancellation"])
async def test_whatever_goes_through_the_block_ends_the_pause(ends):
    ran = Ran()
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        with anyio.move_on_after(5):
            try:
                async with scheduler.paused():
                    if ends == "exception":
                        raise ValueError
                    await anyio.sleep_forever()
            except ValueError:
                pass
        await anyio.sleep(11)
        assert len(ran.at) == 1


async def test_a_job_may_pause_everything_but_not_wait_for_itself():
    async def job():
        scheduler = current_scheduler()
        with pytest.raises(WouldDeadlock):
            async with scheduler.paused():
                raise AssertionError
        async with scheduler.paused(wait=False):
            await anyio.sleep(30)

    ran = Ran()
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("pauses", After(1)), job)
        await scheduler.add_job(RecurringJobRequest("job", Interval(10)), ran)
        await anyio.sleep(41)
        assert ran.at == [31, 40]


@pytest.mark.parametrize("forced", [True, False])
async def test_a_shutdown_while_everything_is_paused(forced):
    ran = Ran()
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.pause_all()
        await scheduler.add_job(RecurringJobRequest("due", After(0)), ran)
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("by hand"), ran))
        await scheduler.add_job(RecurringJobRequest("later", After(100)), ran)
        await anyio.sleep(5)
        report = await (scheduler.shutdown_force() if forced else scheduler.shutdown_graceful())
        assert {record.name for record in report.never_started} == {"due", "by hand"}
        assert report.unrun == 1
    assert ran.at == []
