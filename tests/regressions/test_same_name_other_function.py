"""A job kept its old function after a reload, and `Scheduler.update_job` ignored a new one, if both had the same name.

Cause: a function that is not registered has a private name made of its module and qualified name, and these names were
compared as texts. So a function that was loaded again, a second lambda of the same scope, or a partial with other
arguments counted as equal to the old one, and the update changed nothing.

And arguments were compared by ``==`` without a guard. An argument whose ``__eq__`` raises, or returns something that
has no truth value (an array), ended the program with an `InternalError`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from turnkeeper_trio import Interval, JobSet, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio
REQUEST = RecurringJobRequest("job", Interval(seconds=10), key="job")


def make(ran: list[str], text: str) -> Callable[[], Any]:
    """Return a function; all of them have the same name."""

    async def job() -> None:
        ran.append(text)

    return job


async def note(ran: list[str], text: str) -> None:
    ran.append(text)


async def check_at(value: object) -> None: ...


@pytest.mark.parametrize("kind", ["function", "partial"])
@pytest.mark.parametrize("how", ["update_job", "add_job", "apply"])
async def test_the_new_function_is_taken(how: str, kind: str) -> None:
    ran: list[str] = []
    old, new = (make(ran, text) if kind == "function" else partial(note, ran, text) for text in ("old", "new"))
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(REQUEST, old)
        if how == "update_job":
            await scheduler.update_job(job_id, fn=new)
        elif how == "add_job":
            await scheduler.add_job(REQUEST, new)
        else:
            jobs = JobSet()
            jobs.add(REQUEST, new)
            assert (await scheduler.apply(jobs)).updated == (job_id,)
        await anyio.sleep(11)
        assert ran == ["new"]
        assert (await scheduler.get_job_details(job_id)).version == 2


class Service:
    async def work(self) -> None: ...


async def test_the_same_function_is_no_change() -> None:
    service = Service()
    async with open_scheduler(max_workers=1) as scheduler:
        for fn in (service.work, partial(note, [], "a")):
            again = partial(note, [], "a") if isinstance(fn, partial) else fn
            job_id = await scheduler.add_job(REQUEST, fn)
            version = (await scheduler.get_job_details(job_id)).version
            await scheduler.add_job(REQUEST, again)
            assert (await scheduler.get_job_details(job_id)).version == version


class Odd:
    """Like an array: ``==`` of two gives no truth value."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


async def test_what_cannot_be_compared_is_a_change() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(REQUEST, check_at, Odd())
        await scheduler.add_job(REQUEST, check_at, Odd())
        assert (await scheduler.get_job_details(job_id)).version == 2
        await scheduler.update_job(job_id, args=(Odd(),))
        assert (await scheduler.get_job_details(job_id)).version == 3
