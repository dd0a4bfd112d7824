"""What a job may run: coroutine functions, plain functions in threads, and names."""

import asyncio
import functools
import threading
from collections.abc import Callable, Generator
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
import sniffio
from back_ends import ASYNCIO

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Outcome,
    RecurringJobRequest,
    RunRecord,
    Scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

SOON = RecurringJobRequest("soon", After(1))


async def run(
    scheduler: Scheduler, fn: Callable[..., Any] | str, *args: Any, kwargs: dict[str, Any] | None = None
) -> RunRecord:
    record = await scheduler.wait_job(await scheduler.add_job(SOON, fn, *args, kwargs=kwargs))
    assert record is not None
    return record


def here() -> str:
    """Say whether the caller is on the event loop or in a thread."""
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return "thread"
    return "loop"


async def coroutine_function(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    await anyio.lowlevel.checkpoint()
    return here(), args, kwargs


def plain_function(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return here(), args, kwargs


class AsyncCallable:
    async def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs


class PlainCallable:
    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs


class Methods:
    async def coroutine(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs

    def plain(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs

    @classmethod
    async def of_class(cls, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs

    @staticmethod
    async def static(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return here(), args, kwargs


ON_THE_LOOP = [
    coroutine_function,
    AsyncCallable(),
    Methods().coroutine,
    Methods.of_class,
    Methods.static,
    functools.partial(coroutine_function),
    functools.partial(functools.partial(AsyncCallable())),
    functools.partial(Methods().coroutine),
]
IN_A_THREAD = [
    plain_function,
    PlainCallable(),
    Methods().plain,
    functools.partial(plain_function),
    functools.partial(functools.partial(PlainCallable())),
    lambda *args, **kwargs: (here(), args, kwargs),
]


@pytest.mark.parametrize(("fn", "where"), [(f, "loop") for f in ON_THE_LOOP] + [(f, "thread") for f in IN_A_THREAD])
async def test_each_kind_of_function_runs_where_it_belongs(fn: Callable[..., Any], where: str) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, fn, 1, 2, kwargs={"three": 3})
        assert record.unwrap() == (where, (1, 2), {"three": 3})


async def test_the_arguments_of_a_partial_come_first() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, functools.partial(coroutine_function, 1, a=1), 2, kwargs={"b": 2})
        assert record.unwrap() == ("loop", (1, 2), {"a": 1, "b": 2})


async def test_a_class_is_called_in_a_thread_whatever_its_instances_are() -> None:
    """Regression: the ``__call__`` of the instances was taken for that of the class, which was then awaited."""
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, AsyncCallable)
        assert isinstance(record.unwrap(), AsyncCallable)


async def test_at_most_max_workers_threads_work_and_others_threads_do_not_keep_them_waiting() -> None:
    at_once = most = 0
    lock, three = threading.Lock(), threading.Barrier(3, timeout=20)

    def job() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        three.wait()  # it is broken if there are never three at once
        with lock:
            at_once -= 1

    limiter = anyio.to_thread.current_default_thread_limiter()
    total, limiter.total_tokens = limiter.total_tokens, 1
    try:
        async with limiter, open_scheduler(max_workers=3) as scheduler:
            for _ in range(9):
                await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
            await scheduler.wait_idle()
            assert scheduler.get_metrics_snapshot().books.succeeded == 9
    finally:
        limiter.total_tokens = total
    assert most == 3


async def test_a_plain_function_that_returns_an_awaitable_fails_and_says_what_to_do() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, lambda: coroutine_function(1))
        assert record.outcome is Outcome.FAILED
        assert isinstance(record.error, TypeError)
        assert "async def" in str(record.error)
        assert "<lambda>" in str(record.error)

        class Awaitable:
            def __await__(self) -> Any:
                yield

        def forgot() -> Any:
            return Awaitable()

        record = await run(scheduler, forgot)
        assert record.outcome is Outcome.FAILED
        assert "forgot" in str(record.error)


async def test_a_coroutine_instead_of_its_function_is_refused_and_closed() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for submit in (scheduler.add_job, scheduler.try_add_job):
            coroutine = coroutine_function()
            with pytest.raises(TypeError, match=r"write add_job\(request, coroutine_function, \.\.\.\)"):
                _ = [await answer for answer in [submit(SOON, coroutine)] if hasattr(answer, "__await__")]  # type: ignore[arg-type]
            assert coroutine.cr_frame is None  # closed, so Python does not warn that it was never awaited
        assert scheduler.get_metrics_snapshot().staging_submitted_total == 0


@pytest.mark.parametrize("wrong", [3, None, ["f"], object()])
async def test_what_is_no_function_is_refused(wrong: Any) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(TypeError, match="function"):
            await scheduler.add_job(SOON, wrong)
        with pytest.raises(TypeError, match="function"):
            scheduler.register("wrong", wrong)


@ASYNCIO
async def test_a_future_is_refused() -> None:
    future = asyncio.get_running_loop().create_future()
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(TypeError, match="an awaitable was given"):
            await scheduler.add_job(SOON, future)  # type: ignore[arg-type]


async def test_registered_functions_run_by_name_and_by_alias() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        scheduler.register("shop.report", coroutine_function, aliases=["shop.old_report", "report"])
        for name in ("shop.report", "shop.old_report", "report"):
            record = await run(scheduler, name, 7)
            assert record.unwrap() == ("loop", (7,), {})
        job_id = await scheduler.add_job(SOON, "report")
        assert (await scheduler.get_job_details(job_id)).target == "report"


async def test_a_name_that_nobody_registered_is_refused() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError, match="'unknown'") as refused:
            await scheduler.add_job(SOON, "unknown")
        assert refused.value.parameter == "fn"
        with pytest.raises(ConfigurationError, match="'unknown'"):
            scheduler.try_add_job(SOON, "unknown")


async def test_a_name_belongs_to_one_function() -> None:
    methods = Methods()
    async with open_scheduler(max_workers=1) as scheduler:
        scheduler.register("name", plain_function)
        scheduler.register("name", plain_function, aliases=["other"])
        scheduler.register("method", methods.plain)
        scheduler.register("method", methods.plain)  # the same, though not the same object
        for name, aliases in (("name", []), ("third", ["other"])):
            with pytest.raises(ConfigurationError, match="another function"):
                scheduler.register(name, coroutine_function, aliases=aliases)
        with pytest.raises(ConfigurationError, match="'third'"):
            scheduler.try_add_job(SOON, "third")


@pytest.mark.parametrize(("name", "aliases", "parameter"), [(" ", [], "name"), (3, [], "name"), ("x", [""], "aliases")])
async def test_a_blank_name_is_refused(name: Any, aliases: Any, parameter: str) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError) as refused:
            scheduler.register(name, plain_function, aliases)
        assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (coroutine_function, "coroutine_function"),
        (functools.partial(plain_function, 1), "plain_function"),
        (AsyncCallable(), "AsyncCallable"),
        (Methods().plain, "Methods.plain"),
    ],
)
async def test_a_function_without_a_name_is_called_as_people_know_it(fn: Any, name: str) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        details = await scheduler.get_job_details(await scheduler.add_job(SOON, fn))
        assert details.target.endswith(f".{name}")
        assert __name__ in details.target


async def test_a_plain_function_may_call_back_into_the_loop() -> None:
    def job() -> str:
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run(coroutine_function, 1)[0]

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, job)
        assert record.unwrap() == "loop"


@pytest.mark.parametrize("value", [None, 0, "", [], True, 0.0, StopIteration(3), (1, 2)])
async def test_only_false_is_a_failure_anything_else_is_the_value(value: Any) -> None:
    async def job() -> Any:
        return value

    async with open_scheduler(max_workers=1) as scheduler:
        for fn in (job, lambda: value):
            record = await run(scheduler, fn)
            assert record.outcome is Outcome.SUCCEEDED
            assert record.unwrap() is value


async def test_false_is_a_failure() -> None:
    async def job() -> bool:
        return False

    async with open_scheduler(max_workers=1) as scheduler:
        for fn in (job, lambda: False):
            record = await run(scheduler, fn)
            assert record.outcome is Outcome.FAILED
            assert record.reason == "it returned False"
            assert record.value is None


async def test_what_an_async_function_returns_need_not_be_a_coroutine() -> None:
    """A subclass of `functools.partial` may call its async function in its own way, and return any awaitable."""

    class Later:
        def __init__(self, value: int) -> None:
            self.value = value

        def __await__(self) -> Generator[Any, Any, int]:
            yield from anyio.sleep(3).__await__()
            return self.value

    class Wrapped(functools.partial[Any]):
        def __call__(self, /, *args: Any, **kwargs: Any) -> Later:
            return Later(args[0])

    async def function(value: int) -> int:
        raise AssertionError(value)

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, Wrapped(function), 7)
        assert (record.value, record.duration) == (7, pytest.approx(3, abs=1e-3))


async def test_arguments_are_looked_at_again_where_their_number_differs() -> None:
    """What a function was last found to take is remembered, and stands for that number of arguments only."""

    async def one(value: int) -> None: ...

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(SOON, one, 1)
        await scheduler.add_job(SOON, one, 1)
        for args, kwargs in (((), None), ((1, 2), None), ((1,), {"value": 2}), ((), {"other": 1})):
            with pytest.raises(TypeError, match="does not take these arguments"):
                await scheduler.add_job(SOON, one, *args, kwargs=kwargs)
        await scheduler.add_job(SOON, one, kwargs={"value": 1})
