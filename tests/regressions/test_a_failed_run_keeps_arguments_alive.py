"""The record of a failed run kept the arguments of the job alive for as long as the record itself.

Cause: the traceback of the error was cut at the first frame of the job, and the frames after it were cleared. But a
frame that has ended keeps its caller alive, and so the frames of the library, which hold the arguments. In a thread the
arguments were in closures of the library and of trio, and a frame keeps its closure even when it is cleared. An
`AttributeError` keeps the object itself. (What a job passes to a thread of its own on trio stays in trio's closure.
Nothing can be done about that here.)
"""

import gc
import weakref

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collect_only_own")]


class Large:
    pass


async def fails(one, *, other):
    await anyio.sleep(1)
    raise ValueError


async def looks_up(one, *, other):
    return one.missing


async def is_thrown_into(one, *, other):
    await anyio.to_thread.run_sync(fails_in_a_thread, None)


def fails_in_a_thread(one, *, other=None):
    raise ValueError


@pytest.mark.parametrize("fn", [fails, looks_up, is_thrown_into, fails_in_a_thread])
async def test_none_of_them_is_kept(fn):
    one, other = Large(), Large()
    kept = [weakref.ref(one), weakref.ref(other)]
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("fails", After(0)), fn, one, kwargs={"other": other})
        del one, other
        record = await scheduler.wait_job(job_id)
        await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("next", After(0)), anyio.sleep, 0))
        gc.collect()
        assert [each() for each in kept] == [None, None]
        assert record.error is not None
