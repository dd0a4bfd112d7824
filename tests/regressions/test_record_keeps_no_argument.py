"""The record of a failed run kept the arguments of its job alive for as long as the history kept the record.

Cause: the frames of an error were cleared, but not the frames that called them. These are the library's, they hold the
arguments to pass them on, and a frame that has ended keeps its caller alive. A cleared frame keeps its closure, too,
and the call in the thread was a closure. And the scheduler kept the function that was submitted last, with what a
partial or a method holds. The tests use weak references.
"""

import functools
import gc
import weakref

import anyio
import pytest

from turnkeeper_trio import After, FixedRetryDelay, GiveUp, Outcome, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collect_only_own")]


class Large:
    """An argument."""

    def fails(self, *_, **__):
        raise LookupError("of a method")

    async def fails_later(self, *_, **__):
        await anyio.sleep(1)
        raise LookupError("of an async method")


def plain(value, **kwargs):
    local = [value, kwargs]
    raise LookupError(len(local))


async def coroutine(value, **kwargs):
    local = [value, kwargs]
    await anyio.sleep(1)
    raise LookupError(len(local))


def chained_plainly(value, **kwargs):
    try:
        plain(value, **kwargs)
    except LookupError:
        raise ValueError  # noqa: B904  (the context is what is tested)


async def chained(value, **kwargs):
    try:
        await coroutine(value, **kwargs)
    except LookupError as exc:
        raise ValueError from exc


async def in_a_group(value, **kwargs):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(coroutine, value)
        tasks.start_soon(functools.partial(coroutine, value, **kwargs))


async def looks_up(value, **kwargs):
    del kwargs
    _ = value.no_such_thing


async def gives_up(value, **kwargs):
    raise GiveUp(str(len([value, kwargs])))


async def endless(value, **kwargs):
    local = [value, kwargs]
    await anyio.sleep_forever()
    del local


async def endless_and_raises(value, **kwargs):
    try:
        await endless(value, **kwargs)
    finally:
        raise LookupError


JOBS = [plain, coroutine, chained_plainly, chained, in_a_group, looks_up, gives_up, endless, endless_and_raises]


OPTIONS = [{}, {"max_retries": 2, "retry": FixedRetryDelay(1)}, {"timeout": 5}]


@pytest.mark.parametrize("options", OPTIONS, ids=["once", "retried", "with a timeout"])
@pytest.mark.parametrize("how", ["function", "partial", "method", "async method"])
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
async def test_when_the_run_has_failed_nothing_of_its_arguments_is_alive(job, how, options):
    if "endless" in job.__name__ and "timeout" not in options:
        options = {**options, "timeout": 5}
    value, named = Large(), Large()
    left = [weakref.ref(value), weakref.ref(named)]
    async with open_scheduler(max_workers=1) as scheduler:
        fn, args = {
            "function": (job, (value,)),
            "partial": (functools.partial(job, value), ()),
            "method": (value.fails, (value,)),
            "async method": (value.fails_later, ()),
        }[how]
        job_id = await scheduler.add_job(
            RecurringJobRequest("job", After(0), **options), fn, *args, kwargs={"named": named}
        )
        del value, named, fn, args
        record = await scheduler.wait_job(job_id)
        assert record.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
        await anyio.sleep(1)
        gc.collect()
        assert [each() for each in left] == [None, None]
        assert record.reason
