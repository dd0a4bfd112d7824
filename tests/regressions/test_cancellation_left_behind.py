"""A native cancellation that a job left behind cut off the next run of its worker, or ended the scheduler.

Cause: on asyncio a job runs in the task of a worker. What still refers to that task when the job has returned can
cancel it: a timer, an ``asyncio.timeout`` or a task group in a generator that is kept, a child task. The worker went on
in that task. If the worker was idle, the cancellation was taken for a fault of this library.
"""

import asyncio
import itertools
import logging
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest
from back_ends import ASYNCIO

from turnkeeper_trio import After, Outcome, RecurringJobRequest, RunRecord, Scheduler, open_scheduler

pytestmark = [pytest.mark.anyio, ASYNCIO]

KEPT: list[Any] = []


def own_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def timer() -> None:
    asyncio.get_running_loop().call_later(2, own_task().cancel)


async def timer_and_failure() -> None:
    asyncio.get_running_loop().call_later(2, own_task().cancel)
    raise LookupError


async def timer_and_sleep() -> None:
    asyncio.get_running_loop().call_later(7, own_task().cancel)
    await anyio.sleep(5)


async def several_timers() -> None:
    for seconds in (1, 2, 2, 3, 50):
        asyncio.get_running_loop().call_later(seconds, own_task().cancel)


async def open_timeout() -> None:
    async def generator() -> AsyncGenerator[None]:
        async with asyncio.timeout(2):
            yield

    KEPT.append(generator())
    await anext(KEPT[-1])


async def open_task_group() -> None:
    async def fails() -> None:
        await asyncio.sleep(2)
        raise LookupError

    async def generator() -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            KEPT.append(group.create_task(fails()))
            yield

    KEPT.append(generator())
    await anext(KEPT[-1])


async def child() -> None:
    async def strike(parent: "asyncio.Task[Any]") -> None:
        await asyncio.sleep(2)
        parent.cancel()

    KEPT.append(asyncio.create_task(strike(own_task())))


async def after_a_timeout() -> None:
    asyncio.get_running_loop().call_later(12, own_task().cancel)
    await anyio.sleep(11)


@pytest.fixture(autouse=True)
async def kept() -> AsyncGenerator[None]:
    """What keeps generators and children alive, until the test has ended."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # asyncio tells of a group that was left open
    yield
    for each in KEPT:
        if isinstance(each, AsyncGenerator):
            with pytest.raises((BaseExceptionGroup, RuntimeError)) if "group" in repr(each) else anyio.CancelScope():
                await each.aclose()
    KEPT.clear()


async def run(scheduler: Scheduler, job: Callable[..., Any], *args: Any, **options: Any) -> RunRecord:
    record = await scheduler.wait_job(
        await scheduler.add_job(RecurringJobRequest("job", After(0), **options), job, *args)
    )
    assert record is not None
    return record


CARELESS = pytest.mark.parametrize(
    "careless",
    [
        timer,
        timer_and_failure,
        timer_and_sleep,
        several_timers,
        open_timeout,
        open_task_group,
        child,
        after_a_timeout,
    ],
)


@CARELESS
async def test_the_next_run_of_the_worker_knows_nothing_of_it(careless: Callable[..., Any]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(3):
            await run(scheduler, careless, timeout=10)
            assert (await run(scheduler, anyio.sleep, 6)).outcome is Outcome.SUCCEEDED
            assert (await run(scheduler, anyio.sleep, 6)).duration == 6


@CARELESS
async def test_an_idle_scheduler_knows_nothing_of_it(
    careless: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(3):
            await run(scheduler, careless, timeout=10)
            await anyio.sleep(10)
        assert (await run(scheduler, anyio.sleep, 6)).duration == 6
    assert asyncio.all_tasks() == before
    assert "idle worker" not in caplog.text


async def test_it_does_not_hold_up_the_end() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await run(scheduler, timer)
        await scheduler.add_job(RecurringJobRequest("last", After(0)), timer_and_sleep)
        await anyio.sleep(1)
        await scheduler.shutdown_graceful()
        assert scheduler.get_metrics_snapshot().books.succeeded == 2


async def test_a_run_that_is_retried_on_a_new_worker_is_the_same_run() -> None:
    attempts = 0

    async def job() -> int:
        nonlocal attempts
        attempts += 1
        await timer()
        if attempts < 3:
            raise LookupError
        await anyio.sleep(1)
        return attempts

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, job, max_retries=5)
        assert (record.value, record.attempts) == (3, 3)


def workers() -> set["asyncio.Task[Any]"]:
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("turnkeeper worker")}


def birthdays() -> set[int]:
    """Return the names of the workers, without a reference to any of them."""
    for task in workers():
        if task not in BORN:
            BORN[task] = next(NUMBERS)
    return {BORN[task] for task in workers()}


BORN: "weakref.WeakKeyDictionary[asyncio.Task[Any], int]" = weakref.WeakKeyDictionary()
NUMBERS = itertools.count()


async def inside_of_a_timeout() -> None:
    async with asyncio.timeout(5):
        await asyncio.sleep(1)


async def failure_inside_of_a_timeout() -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(1))
        await asyncio.sleep(2)
        raise LookupError


async def in_a_task_group_of_anyios() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
    with anyio.move_on_after(1):
        await anyio.sleep(2)


async def ask_for_the_task() -> None:
    own_task().get_name()


@pytest.mark.parametrize(
    ("job", "replaced"),
    [
        (inside_of_a_timeout, False),
        (failure_inside_of_a_timeout, False),
        (in_a_task_group_of_anyios, False),
        (ask_for_the_task, False),
        (timer, True),
        (timer_and_failure, True),
        (child, True),
    ],
)
async def test_only_a_worker_whose_task_is_held_is_replaced(job: Callable[..., Any], *, replaced: bool) -> None:
    """Workers are not replaced needlessly: to replace one costs a fifth of a job."""
    async with open_scheduler(max_workers=2) as scheduler:
        await run(scheduler, anyio.sleep, 1)
        before = birthdays()
        for _ in range(3):
            await run(scheduler, job)
        await anyio.sleep(1)
        assert len(birthdays()) == 2
        assert (birthdays() != before) is replaced


async def test_what_held_the_task_before_and_let_go_does_not_hide_what_a_job_does() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        held = {task for task in asyncio.all_tasks() if task is not own_task()}
        await run(scheduler, anyio.sleep, 1)
        held.clear()
        await run(scheduler, anyio.sleep, 1)
        await run(scheduler, timer)
        assert (await run(scheduler, anyio.sleep, 6)).duration == 6


async def test_an_idle_worker_that_is_cancelled_goes_on_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(3):
            await anyio.sleep(1)
            for task in workers():
                task.cancel()
        await anyio.sleep(1)
        record = await run(scheduler, anyio.sleep, 6)
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 6)
        assert len(workers()) == 2
    lines = [each for each in caplog.records if "idle worker" in each.getMessage()]
    assert [each.levelno for each in lines] == [logging.WARNING]
