"""`add_jobs` read an iterator to its end in one step: nothing else ran meanwhile, and nothing could cancel it.

All its elements were put in a tuple, before the checkpoints of the call began.
"""

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", Interval(hours=1))
Job = tuple[RecurringJobRequest, Callable[..., Any]]


async def nothing() -> None:
    pass


@pytest.mark.parametrize("atomic", [False, True])
async def test_it_can_be_cancelled(atomic: bool) -> None:
    made = 0

    def jobs() -> Iterator[Job]:
        nonlocal made
        while made < 1_000_000:
            made += 1
            yield LATER, nothing

    async def cancel(scope: anyio.CancelScope) -> None:
        scope.cancel()

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            await scheduler.add_jobs(jobs(), atomic=atomic)
        assert scope.cancelled_caught
        assert made < 10_000
        assert await scheduler.list_all_jobs() == []


@pytest.mark.parametrize("atomic", [False, True])
async def test_it_raises_in_the_middle(atomic: bool) -> None:
    def jobs() -> Iterator[Job]:
        for _ in range(1000):
            yield LATER, nothing
        raise LookupError("no more")

    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(LookupError, match="no more"):
            await scheduler.add_jobs(jobs(), atomic=atomic)
        assert await scheduler.list_all_jobs() == []


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_list_that_grows_meanwhile_is_taken_as_it_was(atomic: bool) -> None:
    jobs: list[Job] = [(LATER, nothing)] * 1000

    async def grow() -> None:
        while True:
            jobs.append((LATER, nothing))
            await anyio.lowlevel.checkpoint()

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        tasks.start_soon(grow)
        assert len(await scheduler.add_jobs(jobs, atomic=atomic)) == 1000
        tasks.cancel_scope.cancel()
