"""A job for as long as a block lasts."""

import math

import anyio
import pytest

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Interval,
    JobNotFound,
    Never,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import JobFinished

pytestmark = pytest.mark.anyio


class Job:
    """Notes when it began, and how and when it ended."""

    def __init__(self, seconds=math.inf, cleanup=0):
        self.seconds, self.cleanup = seconds, cleanup
        self.began, self.ended = [], []

    async def __call__(self):
        self.began.append(anyio.current_time())
        try:
            await anyio.sleep(self.seconds)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.cleanup)
            self.ended.append(("cut off", anyio.current_time()))
            raise
        self.ended.append(("by itself", anyio.current_time()))


NOW = RecurringJobRequest("scoped", After(0))
EACH = RecurringJobRequest("scoped", Interval(10))


async def is_gone(scheduler, job_id):
    with pytest.raises(JobNotFound):
        await scheduler.get_job_details(job_id)
    return await scheduler.list_active_runs() == []


async def test_left_in_order_its_run_comes_to_its_end_and_nothing_is_left():
    job = Job(3)
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.scheduled(EACH, job) as job_id:
            await anyio.sleep(21)
        assert job.ended == [("by itself", 13), ("by itself", 23)]
        assert anyio.current_time() == 23
        assert await is_gone(scheduler, job_id)
        await anyio.sleep(100)
        assert len(job.began) == 2
        books = scheduler.get_metrics_snapshot().books
        assert (books.planned, books.succeeded, books.cancelled) == (3, 2, 1)


async def test_a_run_that_is_due_and_has_not_begun_does_not_begin():
    job, busy = Job(1), Job(5)
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("busy", After(0)), busy)
        await anyio.sleep(1)
        async with scheduler.scheduled(NOW, job):
            await anyio.sleep(1)
        assert anyio.current_time() == 2
        await anyio.sleep(10)
        assert job.began == []


async def test_an_exception_through_the_block_cuts_its_run_off_and_waits_for_the_cleanup():
    job = Job(cleanup=2)
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ValueError, match="body"):
            async with scheduler.scheduled(NOW, job) as job_id:
                await anyio.sleep(5)
                raise ValueError("body")
        assert job.ended == [("cut off", 7)]
        assert await is_gone(scheduler, job_id)


async def test_a_cancellation_through_the_block_does_so_too():
    job = Job(cleanup=2)
    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.move_on_after(5):
            async with scheduler.scheduled(NOW, job) as job_id:
                await anyio.sleep_forever()
        assert job.ended == [("cut off", 7)]
        assert await is_gone(scheduler, job_id)


async def test_a_cancellation_while_its_run_is_waited_for_cuts_the_run_off():
    """Regression: the wait was shielded, so leaving the block in order while its job ran for ever never ended."""
    job = Job(cleanup=2)
    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.move_on_after(5) as scope:
            async with scheduler.scheduled(NOW, job) as job_id:
                await anyio.sleep(1)
        assert scope.cancelled_caught
        assert job.ended == [("cut off", 7)]
        assert await is_gone(scheduler, job_id)


async def test_the_scheduler_may_end_before_the_block_is_left():
    job = Job()
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.scheduled(NOW, job):
            await anyio.sleep(1)
            await scheduler.shutdown_force()
            assert job.ended == [("cut off", 1)]
        with pytest.raises(SchedulerClosed):
            async with scheduler.scheduled(NOW, job):
                raise AssertionError


async def test_the_scheduler_may_end_while_the_block_waits_for_its_run():
    job = Job(cleanup=1)

    async def end():
        await anyio.sleep(5)
        await scheduler.shutdown_force()

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        async with scheduler.scheduled(NOW, job):
            tasks.start_soon(end)
            await anyio.sleep(1)
        assert job.ended == [("cut off", 6)]


async def test_somebody_may_delete_the_job_before_the_block_is_left():
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.scheduled(EACH, Job(1)) as job_id:
            await scheduler.delete_job(job_id)
        assert await is_gone(scheduler, job_id)


async def test_a_job_that_is_over_is_forgotten_all_the_same():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobFinished) as events:
        async with scheduler.scheduled(NOW, Job(1)) as job_id:
            record = await scheduler.wait_job(job_id)
            assert record is not None
            assert record.outcome is Outcome.SUCCEEDED
            assert (await anext(events)).job_id == job_id
        assert await is_gone(scheduler, job_id)


async def test_what_is_wrong_with_the_job_is_said_at_entering():
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError):
            async with scheduler.scheduled(NOW, "not registered"):
                raise AssertionError
        assert await scheduler.list_all_jobs() == []


@pytest.mark.parametrize("workers", [1, 2])
async def test_from_inside_a_job(workers):
    inner = Job(3)

    async def outer():
        async with current_scheduler().scheduled(NOW, inner):
            await anyio.sleep(1)
        return anyio.current_time()

    async with open_scheduler(max_workers=workers) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("outer", Never()), outer)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert record.unwrap() == (1 if workers == 1 else 3)
        assert len(inner.ended) == workers - 1


async def test_two_tasks_have_jobs_of_their_own():
    jobs = [Job(1), Job(1)]

    async def have(job, seconds):
        async with scheduler.scheduled(EACH, job):
            await anyio.sleep(seconds)

    async with open_scheduler(max_workers=2) as scheduler, anyio.create_task_group() as tasks:
        tasks.start_soon(have, jobs[0], 15)
        tasks.start_soon(have, jobs[1], 35)
    assert [len(job.ended) for job in jobs] == [1, 3]
