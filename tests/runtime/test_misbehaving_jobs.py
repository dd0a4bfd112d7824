"""No job, whatever it raises or leaves behind, can kill or wedge the scheduler or a worker."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from back_ends import ASYNCIO, TRIO

from turnkeeper_trio import After, Outcome, RecurringJobRequest, RunRecord, Scheduler, current_run, open_scheduler

pytestmark = pytest.mark.anyio

Job = Callable[[], Awaitable[Any]]


async def healthy() -> str:
    """Wait in each way that fails if the state of the worker's task is broken: a sleep, a timeout, a task group."""
    await anyio.sleep(100)
    with anyio.move_on_after(3) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
    return "healthy"


async def run(scheduler: Scheduler, job: Callable[..., Any], **options: Any) -> RunRecord:
    record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0), **options), job))
    assert record is not None
    return record


async def survives(job: Callable[..., Any], **options: Any) -> RunRecord:
    """Run a job on the only worker, then see that everything still works; return the record of the job."""
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, job, **options)
        for _ in range(2):
            after = await run(scheduler, healthy, timeout=1_000)
            assert after.outcome is Outcome.SUCCEEDED, after.error
            assert (after.duration, after.value) == (104, "healthy")
        record_of_timeout = await run(scheduler, anyio.sleep_forever, timeout=5)
        assert record_of_timeout.outcome is Outcome.TIMED_OUT
        metrics = scheduler.get_metrics_snapshot()
        assert metrics.workers_active_current == 0
        assert metrics.books.balanced
        assert metrics.books.active == 0
    assert scheduler.shutdown_report is not None
    assert not scheduler.shutdown_report.interrupted
    return record


async def raise_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(fail, ValueError("one"))
        group.start_soon(fail, KeyError("two"))


async def fail(error: BaseException) -> None:
    raise error


async def raise_mixed_group() -> None:
    raise BaseExceptionGroup(
        "mixed", [ValueError(), BaseExceptionGroup("inner", [GeneratorExit(), asyncio.CancelledError()])]
    )


async def recurse() -> None:
    await recurse()


def recurse_plainly() -> None:
    recurse_plainly()


async def raise_generator_exit() -> None:
    await anyio.sleep(1)
    raise GeneratorExit


async def raise_stop_iteration() -> None:
    raise StopIteration(3)


def raise_stop_iteration_plainly() -> None:
    raise StopIteration(3)


async def raise_stop_async_iteration() -> None:
    raise StopAsyncIteration


def raise_generator_exit_plainly() -> None:
    raise GeneratorExit


class Own(BaseException):
    """An exception that is no Exception."""


async def raise_own() -> None:
    raise Own


def raise_own_plainly() -> None:
    raise Own


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


async def raise_unspeakable() -> None:
    raise Unspeakable


class Underivable(BaseExceptionGroup[BaseException]):
    def derive(self, excs: Any) -> Any:
        raise ValueError("no derivation")


async def raise_underivable() -> None:
    raise Underivable("group", [ValueError(), Own()])


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


async def raise_falsy() -> None:
    raise Falsy


async def raise_in_finally() -> None:
    try:
        raise ValueError
    finally:
        raise KeyError


async def raise_a_cycle() -> None:
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    raise one


async def raise_deep_group() -> None:
    error: BaseException = ValueError()
    for _ in range(5_000):
        error = ExceptionGroup("deep", [error])
    raise error


async def cancel_all_of_it() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(1)
    raise LookupError


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (raise_group, ExceptionGroup),
        (raise_mixed_group, BaseExceptionGroup),
        (recurse, RecursionError),
        (recurse_plainly, RecursionError),
        (raise_generator_exit, GeneratorExit),
        (raise_generator_exit_plainly, RuntimeError),
        (raise_stop_iteration, RuntimeError),
        (raise_stop_iteration_plainly, RuntimeError),
        (raise_stop_async_iteration, StopAsyncIteration),
        (raise_own, Own),
        (raise_own_plainly, Own),
        (raise_unspeakable, Unspeakable),
        (raise_underivable, Underivable),
        (raise_falsy, Falsy),
        (raise_in_finally, KeyError),
        (raise_a_cycle, ValueError),
        (cancel_all_of_it, LookupError),
    ],
)
@pytest.mark.parametrize("heard_at", ["WARNING", "INFO"])
async def test_whatever_a_job_raises_it_has_failed(
    job: Job, error: type[BaseException], heard_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(heard_at, "turnkeeper_trio")
    record = await survives(job)
    assert record.outcome is Outcome.FAILED
    assert type(record.error) is error
    assert record.reason.startswith("it raised")


@pytest.mark.parametrize(
    "job", [raise_group, raise_mixed_group, raise_own, raise_unspeakable, raise_falsy, raise_underivable]
)
async def test_whatever_a_job_raises_it_is_tried_again(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "turnkeeper_trio")
    record = await survives(job, max_retries=3)
    assert (record.outcome, record.attempts) == (Outcome.FAILED, 4)


async def test_a_group_that_is_nested_thousands_deep_is_one_failure() -> None:
    record = await survives(raise_deep_group)
    assert record.outcome is Outcome.FAILED


def own_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def await_a_cancelled_future() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def raise_cancelled() -> None:
    await anyio.sleep(1)
    raise asyncio.CancelledError("of my own")


async def cancel_own_task_and_wait() -> None:
    own_task().cancel()
    await anyio.sleep(1)


async def cancel_own_task_thrice() -> None:
    for _ in range(3):
        own_task().cancel()
    await anyio.sleep(1)


async def cancel_own_task_and_raise() -> None:
    own_task().cancel()
    raise LookupError


async def cancel_own_task_later() -> None:
    asyncio.get_running_loop().call_later(1, own_task().cancel)
    await anyio.sleep(5)


@ASYNCIO
@pytest.mark.parametrize(
    "job",
    [
        await_a_cancelled_future,
        raise_cancelled,
        cancel_own_task_and_wait,
        cancel_own_task_thrice,
        cancel_own_task_later,
    ],
)
async def test_a_cancelled_error_of_the_jobs_own_is_a_failure(job: Job) -> None:
    record = await survives(job)
    assert record.outcome is Outcome.FAILED
    assert isinstance(record.error, asyncio.CancelledError)


@ASYNCIO
async def test_a_job_that_cancels_its_task_and_raises_something_else_failed_of_that() -> None:
    record = await survives(cancel_own_task_and_raise)
    assert isinstance(record.error, LookupError)


@ASYNCIO
async def test_a_job_that_cancels_its_own_task_and_returns_has_succeeded() -> None:
    async def job() -> int:
        own_task().cancel()
        return 7

    async def swallows() -> int:
        own_task().cancel()
        try:
            await anyio.sleep(1)
        except asyncio.CancelledError:
            return 7
        return 8

    for each in (job, swallows):
        record = await survives(each)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, 7)


@ASYNCIO
async def test_the_request_of_a_job_to_cancel_its_task_is_not_seen_by_the_next_job() -> None:
    async def job() -> None:
        own_task().cancel()

    async def count() -> int:
        await anyio.lowlevel.checkpoint()
        return own_task().cancelling()

    async with open_scheduler(max_workers=1) as scheduler:
        await run(scheduler, job)
        assert (await run(scheduler, count)).unwrap() == 0


@ASYNCIO
async def test_a_job_that_is_cancelled_natively_by_somebody_else_has_failed() -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def job() -> None:
        tasks.append(own_task())
        await anyio.sleep(100)

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        await anyio.sleep(1)
        tasks[0].cancel()
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.FAILED
        assert (await run(scheduler, healthy)).outcome is Outcome.SUCCEEDED


@TRIO
async def test_a_cancelled_that_leaked_out_of_its_scope_is_a_failure() -> None:
    async def job() -> None:
        leaked: BaseException | None = None
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep(1)
            except trio.Cancelled as exc:
                leaked = exc
        assert leaked is not None
        raise leaked

    record = await survives(job)
    assert record.outcome is Outcome.FAILED
    assert isinstance(record.error, trio.Cancelled)


async def leaky(seconds: float) -> AsyncGenerator[int, None]:
    with anyio.move_on_after(seconds):
        yield 1
        yield 2


@pytest.mark.parametrize("seconds", [0, 3, 1_000, math.inf])
@pytest.mark.parametrize("then", ["return", "raise"])
async def test_a_cancel_scope_that_a_job_leaves_open_does_not_spoil_its_worker(seconds: float, then: str) -> None:
    """Regression: anyio on asyncio then refuses to leave the scope around it, and the worker's task was lost."""
    kept: list[AsyncGenerator[int, None]] = []

    async def job() -> None:
        for _ in range(2):
            kept.append(leaky(seconds))
            await anext(kept[-1])
        if then == "raise":
            raise LookupError

    record = await survives(job)
    assert record.outcome is Outcome.FAILED
    assert isinstance(record.error, RuntimeError | LookupError)
    for generator in kept:
        with suppress(RuntimeError):  # it belongs to a scope that is long gone
            await generator.aclose()


async def test_a_job_may_open_scopes_and_task_groups_of_its_own() -> None:
    async def job() -> int:
        done = 0

        async def child() -> None:
            nonlocal done
            await anyio.sleep(1)
            done += 1

        with anyio.move_on_after(0.5) as scope:
            await anyio.sleep(5)
        assert scope.cancelled_caught
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(child)
        with anyio.CancelScope(shield=True), anyio.fail_after(10):
            await anyio.sleep(1)
        return done

    record = await survives(job)
    assert record.unwrap() == 5


async def test_the_child_tasks_of_a_job_end_with_it() -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)

    async def job() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child, "one")
            group.start_soon(child, "two")

    async with open_scheduler(max_workers=1, shutdown_grace=0) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        await anyio.sleep(1)
    assert sorted(ended) == ["one", "two"]
    assert scheduler.shutdown_report is not None
    assert [record.outcome for record in scheduler.shutdown_report.interrupted] == [Outcome.INTERRUPTED]


async def test_a_job_may_swallow_its_cancellation_once_and_what_it_then_does_is_what_happened() -> None:
    async def job() -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "all the same"

    for options in ({"timeout": 5}, {}):
        async with open_scheduler(max_workers=1) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), **options), job)
            await anyio.sleep(1)
            if not options:
                await scheduler.cancel_job(job_id, cancel_running=True)
            record = await scheduler.wait_job(job_id)
            assert record is not None
            assert (record.outcome, record.value) == (Outcome.SUCCEEDED, "all the same")
            assert (await run(scheduler, healthy)).outcome is Outcome.SUCCEEDED


async def test_a_plain_job_in_an_endless_recursion_kills_neither_its_thread_nor_the_next() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(3):
            assert isinstance((await run(scheduler, recurse_plainly)).error, RecursionError)
        assert (await run(scheduler, lambda: 7)).unwrap() == 7


async def test_an_error_whose_frames_somebody_else_still_needs_does_not_hurt_them() -> None:
    """Regression: to clear the frame of a coroutine that is suspended closes the coroutine."""
    caught: list[Exception] = []
    went_on: list[bool] = []

    async def catcher(task_status: anyio.abc.TaskStatus[None]) -> None:
        try:
            raise LookupError("a connection that others use, too")
        except LookupError as exc:
            caught.append(exc)
        task_status.started()
        await anyio.sleep(50)
        went_on.append(True)

    def generator() -> Any:
        try:
            raise caught[0]
        except LookupError:
            yield 1
        yield 2

    async def job() -> None:
        raise caught[0]

    async with anyio.create_task_group() as group:
        await group.start(catcher)
        steps = generator()
        assert next(steps) == 1
        await survives(job)
        assert next(steps) == 2
    assert went_on == [True]


async def test_hundreds_of_failing_jobs_of_all_kinds_leave_the_books_balanced() -> None:
    kinds: list[Job] = [raise_group, raise_own, raise_in_finally, raise_generator_exit, healthy]
    async with open_scheduler(max_workers=3) as scheduler:
        for number in range(200):
            await scheduler.add_job(RecurringJobRequest("job", After(number % 7), timeout=50), kinds[number % 5])
        await scheduler.wait_idle()
        books = scheduler.get_metrics_snapshot().books
    assert (books.planned, books.failed, books.timed_out, books.active) == (200, 160, 40, 0)
    assert books.balanced


async def test_what_a_job_raises_at_the_very_moment_of_its_timeout_is_what_happened() -> None:
    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            assert current_run().cancel_requested
            raise LookupError

    record = await survives(job, timeout=5)
    assert record.outcome is Outcome.FAILED
    assert isinstance(record.error, LookupError)
