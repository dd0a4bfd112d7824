"""A background task died when a job failed with an error that the task had caught and passed on.

Cause: when the record of the job entered the history, the frames of its traceback were cleared, and one of them was the
frame of the task, suspended at its next ``await``. Before Python 3.13, to clear the frame of a suspended coroutine
closes the coroutine.
"""

import gc
import weakref

import anyio
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collect_only_own")]


class Reader:
    """Read for others, as the background task of a connection pool does; the error of a read goes to its caller."""

    def __init__(self):
        self.error = None
        self.failed = anyio.Event()
        self.closing = anyio.Event()
        self.ended_well = False

    async def run(self):
        try:
            raise ConnectionError
        except ConnectionError as exc:
            self.error = exc
            self.failed.set()
        await self.closing.wait()
        self.ended_well = True

    async def read(self):
        await self.failed.wait()
        raise self.error


async def test_a_task_whose_error_a_job_failed_with_goes_on():
    reader = Reader()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.run)
        async with open_scheduler(max_workers=1) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("read", After(0)), reader.read)
            record = await scheduler.wait_job(job_id)
            assert record is not None
            assert record.outcome is Outcome.FAILED
        reader.closing.set()
    assert reader.ended_well


class Result:
    """Something large that a failed job held."""


async def hold(results, *, deeper):
    result = Result()
    results.append(weakref.ref(result))
    try:
        if deeper:
            await hold(results, deeper=deeper - 1)
        else:
            await anyio.sleep(1)
            raise ValueError
    finally:
        await anyio.sleep(1)


async def test_the_locals_of_a_job_that_failed_are_let_go_all_the_same():
    results = []
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("hold", After(0))
        job_id = await scheduler.add_job(request, hold, results, kwargs={"deeper": 3})
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.FAILED
        gc.collect()
        assert [result() for result in results] == [None] * 4
