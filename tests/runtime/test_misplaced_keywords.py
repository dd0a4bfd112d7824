"""A keyword that a submission does not take: the error says where it belongs, and nothing has happened."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import pytest

from turnkeeper_trio import JobSet, Never, RecurringJobRequest, Scheduler, open_scheduler
from turnkeeper_trio.testing import run_inline

pytestmark = pytest.mark.anyio

FIELD = "it is a field of the request, write RecurringJobRequest(..., "
REQUEST = RecurringJobRequest("job", Never())
NAMES = {
    "add_job": "Scheduler.add_job",
    "try_add_job": "Scheduler.try_add_job",
    "scheduled": "Scheduler.scheduled",
    "threadsafe.add_job": "ThreadsafeScheduler.add_job",
    "threadsafe.try_add_job": "ThreadsafeScheduler.try_add_job",
    "JobSet.add": "JobSet.add",
    "run_inline": "run_inline",
}


class Unshowable:
    def __repr__(self) -> str:
        raise OSError


def work(*args: Any, **kwargs: Any) -> None:
    raise AssertionError


@asynccontextmanager
async def submissions() -> AsyncIterator[tuple[Scheduler, dict[str, Callable[..., Awaitable[object]]]]]:
    """Yield a scheduler, and each way to submit a job with keywords."""
    async with open_scheduler(max_workers=1) as scheduler:
        threadsafe = scheduler.threadsafe()

        async def at_once(call: Callable[..., object], **keywords: Any) -> None:
            call(REQUEST, work, **keywords)

        async def in_block(**keywords: Any) -> None:
            async with scheduler.scheduled(REQUEST, work, **keywords):
                pytest.fail("it was taken")

        async def in_thread(call: Callable[..., object], **keywords: Any) -> None:
            await anyio.to_thread.run_sync(functools.partial(call, REQUEST, work, **keywords))

        yield (
            scheduler,
            {
                "add_job": functools.partial(scheduler.add_job, REQUEST, work),
                "try_add_job": functools.partial(at_once, scheduler.try_add_job),
                "scheduled": in_block,
                "threadsafe.add_job": functools.partial(in_thread, threadsafe.add_job),
                "threadsafe.try_add_job": functools.partial(in_thread, threadsafe.try_add_job),
                "JobSet.add": functools.partial(at_once, JobSet().add),
                "run_inline": functools.partial(at_once, run_inline),
            },
        )


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize(
    ("keyword", "where"),
    [
        ({"timeout": 3}, FIELD + "timeout=3); for the function, write kwargs={'timeout': 3}"),
        ({"name": "x"}, FIELD + "name='x'); for the function, write kwargs={'name': 'x'}"),
        ({"shop": "berlin"}, "for the function, write kwargs={'shop': 'berlin'}"),
        ({"args": (1, 2)}, "the arguments of the function follow it, write fn, 1, 'two'"),
        (
            {"shop": Unshowable()},
            "for the function, write kwargs={'shop': <Unshowable whose repr raises OSError>}",
        ),
    ],
)
async def test_the_error_says_where_a_keyword_belongs(way: str, keyword: dict[str, Any], where: str) -> None:
    async with submissions() as (scheduler, ways):
        with pytest.raises(TypeError) as caught:
            await ways[way](**keyword)
        name = next(iter(keyword))
        assert str(caught.value) == f"{NAMES[way]}() got an unexpected keyword argument {name!r}: {where}"
        assert await scheduler.list_all_jobs() == []


async def test_every_field_of_a_request_is_known() -> None:
    async with submissions() as (_, ways):
        for name in RecurringJobRequest.__match_args__:
            with pytest.raises(TypeError, match=f"write RecurringJobRequest\\(..., {name}=1\\)"):
                await ways["add_job"](**{name: 1})
