"""A generator function was taken as a job, and each of its runs succeeded without running a line of it.

Cause: it is a plain function, which was called in a thread, and the generator that it returned was taken for its
value.
"""

import functools
import types

import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


def lines():
    yield 1


async def chunks():
    yield 1


@types.coroutine
def old_style():
    yield 1


@pytest.mark.parametrize("fn", [lines, chunks, old_style, functools.partial(chunks)])
async def test_a_generator_function_is_refused_where_it_is_submitted(fn):
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(TypeError, match="generator function"):
            await scheduler.add_job(RecurringJobRequest("stream", After(0)), fn)
        with pytest.raises(TypeError, match="generator function"):
            scheduler.register("stream", fn)


async def test_a_function_that_returns_a_generator_is_a_function():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("stream", After(0)), lambda many: iter(lines()), 1)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert list(record.unwrap()) == [1]
