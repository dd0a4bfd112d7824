"""Submissions that come in a stream are taken together; one that comes alone does not wait for more."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from back_ends import ASYNCIO
from sample_jobs import nothing

from turnkeeper_trio import After, RecurringJobRequest, Scheduler, SchedulerClosed, StagingFull, open_scheduler
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._runtime.inbox import MAX_GATHERED

pytestmark = pytest.mark.anyio

NOW, LATER = RecurringJobRequest("now", After(0)), RecurringJobRequest("later", After(1_000_000))


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each turn of the coordinator."""
    counted: list[int] = []
    take_due = Engine.take_due

    def noted(engine: Engine, now: Any) -> None:
        counted.append(now.loop)
        take_due(engine, now)

    monkeypatch.setattr(Engine, "take_due", noted)
    return counted


async def settled() -> None:
    """Let all tasks do what there is to do now."""
    await anyio.sleep(1)


async def ticks_until(happened: Callable[[], Any], *, most: int = 1_000) -> int:
    for ticks in range(most):
        if happened():
            return ticks
        await checkpoint()
    raise AssertionError("it has not happened")


@pytest.mark.parametrize("workers", [1, 64])
async def test_one_that_comes_alone_is_taken_in_the_next_turn_of_the_event_loop(turns: list[int], workers: int) -> None:
    async with open_scheduler(max_workers=workers) as scheduler:
        for _ in range(10):
            await settled()
            before = len(turns)
            job_id = scheduler.try_add_job(LATER, nothing)
            # The coordinator is woken in one turn of the event loop and runs in it or, by trio's chance, in the next.
            assert await ticks_until(lambda: len(turns) > before) <= 2  # noqa: B023
            await settled()
            assert len(turns) - before == 1
            assert job_id in [each.job_id for each in await scheduler.list_all_jobs()]


async def test_one_after_another_at_the_same_instant_costs_one_turn_more_at_most(turns: list[int]) -> None:
    """The second may be part of a stream, so it waits for one turn of the event loop."""
    async with open_scheduler(max_workers=64) as scheduler:
        await settled()
        for _ in range(2):
            before = len(turns)
            scheduler.try_add_job(LATER, nothing)
            assert await ticks_until(lambda: len(turns) > before) <= 3  # noqa: B023


async def stream_of_waiting(scheduler: Scheduler, number: int) -> None:
    for _ in range(number):
        await scheduler.add_job(LATER, nothing)


async def stream_of_trying(scheduler: Scheduler, number: int) -> None:
    for _ in range(number):
        scheduler.try_add_job(LATER, nothing)
        await checkpoint()


@pytest.mark.parametrize("stream", [stream_of_waiting, stream_of_trying])
async def test_a_stream_is_taken_together(
    turns: list[int], stream: Callable[[Scheduler, int], Awaitable[None]]
) -> None:
    submissions = 40 * MAX_GATHERED
    async with open_scheduler(max_workers=64) as scheduler:
        await settled()
        before = len(turns)
        await stream(scheduler, submissions)
        await settled()
        # On trio the coordinator may by chance run twice before the submitter does, and takes fewer then.
        assert len(turns) - before <= submissions / 2
        assert len(await scheduler.list_all_jobs()) == submissions


@ASYNCIO
async def test_by_as_many_as_there_may_be_where_the_event_loop_is_fair(turns: list[int]) -> None:
    submissions = 40 * MAX_GATHERED
    async with open_scheduler(max_workers=64) as scheduler:
        await settled()
        before = len(turns)
        await stream_of_waiting(scheduler, submissions)
        await settled()
        assert len(turns) - before <= submissions / MAX_GATHERED + 2


async def test_no_more_come_together_than_could_be_started(turns: list[int]) -> None:
    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=1) as scheduler:
        await settled()
        before = len(turns)
        await stream_of_trying(scheduler, 100)
        assert len(turns) - before >= 30


@pytest.mark.parametrize("workers", [1, 64])
async def test_what_falls_due_while_four_tasks_submit_without_pause_starts_soon(workers: int) -> None:
    """It starts within a number of turns of the event loop; the submitters never let time pass."""
    started = 0

    async def due() -> None:
        nonlocal started
        started += 1

    async def submit(scheduler: Scheduler) -> None:
        try:
            while True:
                with suppress(StagingFull):
                    scheduler.try_add_job(LATER, nothing)
                await checkpoint()
        except SchedulerClosed:
            pass

    async with anyio.create_task_group() as tasks, open_scheduler(max_workers=workers) as scheduler:
        for _ in range(4):
            tasks.start_soon(submit, scheduler)
        for _ in range(20):
            await checkpoint()
        for number in range(1, 20):
            scheduler.try_add_job(NOW, due)
            assert await ticks_until(lambda: started == number) <= 4 * MAX_GATHERED  # noqa: B023


async def test_a_forced_shutdown_while_submissions_gather() -> None:
    """Each submission is in the books, or was refused."""
    taken = 0

    async def submit(scheduler: Scheduler) -> None:
        nonlocal taken
        try:
            while True:
                await scheduler.add_job(LATER, nothing)
                taken += 1
        except SchedulerClosed:
            pass

    for ticks in range(30):
        taken = 0
        async with anyio.create_task_group() as tasks:
            async with open_scheduler(max_workers=64) as scheduler:
                await settled()
                tasks.start_soon(submit, scheduler)
                for _ in range(ticks):
                    await checkpoint()
                report = await scheduler.shutdown_force()
            books = scheduler.get_metrics_snapshot().books
            assert books.balanced
            assert report.unrun == books.pending >= taken
