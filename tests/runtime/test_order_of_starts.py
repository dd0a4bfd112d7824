"""Runs start in the order in which they were assigned, whichever worker is free and whichever wakes first."""

import random
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from turnkeeper_trio import After, RecurringJobRequest, current_run, open_scheduler
from turnkeeper_trio.events import RunStarted
from turnkeeper_trio.testing import run

JOBS, WORKERS = 100, 8

pytestmark = [
    pytest.mark.parametrize("backend", ["trio", "asyncio"]),
    pytest.mark.parametrize("buffer", [1, 2, 8, JOBS]),
    pytest.mark.parametrize("seed", range(3)),
]


async def work(kind: int) -> None:
    """End at once, after some turns of the event loop, or after some time: so workers come free in any order."""
    started.append(current_run().name)
    if kind % 3 == 1:
        for _ in range(kind):
            await anyio.lowlevel.checkpoint()
    elif kind % 3 == 2:
        await anyio.sleep(kind / 10)


started: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_started() -> None:
    started.clear()


def test_of_one_instant_in_the_order_of_submission(backend, buffer, seed):
    """And their events come in that order."""
    kinds = random.Random(seed)
    told = []

    async def main():
        async with (
            open_scheduler(max_workers=WORKERS, job_dispatch_buffer_size=buffer) as scheduler,
            scheduler.events(RunStarted) as events,
        ):
            for number in range(JOBS):
                await scheduler.add_job(RecurringJobRequest(str(number), After(1)), work, kinds.randrange(12))
            await scheduler.wait_idle()
            async for event in events:
                told.append(event.name)
                if len(told) == JOBS:
                    return

    run(main, backend=backend, seed=seed)
    assert started == told == [str(number) for number in range(JOBS)]


def test_by_priority_first_where_all_is_due_before_a_worker_is_free(backend, buffer, seed):
    """Runs that were assigned while the workers were busy were assigned before any other was due."""
    chance = random.Random(seed)
    priorities = [chance.randrange(-2, 3) for _ in range(JOBS)]

    async def busy():
        await anyio.sleep(10)

    async def main():
        async with open_scheduler(max_workers=WORKERS, job_dispatch_buffer_size=buffer) as scheduler:
            for _ in range(WORKERS + buffer):
                await scheduler.add_job(RecurringJobRequest("busy", After(0)), busy)
            for number, priority in enumerate(priorities):
                request = RecurringJobRequest(str(number), After(5), priority=priority)
                await scheduler.add_job(request, work, chance.randrange(12))
            await scheduler.wait_idle()

    run(main, backend=backend, seed=seed)
    by_priority = sorted(range(JOBS), key=lambda number: (-priorities[number], number))
    assert started == [str(number) for number in by_priority]


def test_of_several_instants_by_the_instant(backend, buffer, seed):
    instants = [random.Random(seed).randrange(1, 5) for _ in range(JOBS)]

    async def main():
        async with open_scheduler(max_workers=WORKERS, job_dispatch_buffer_size=buffer) as scheduler:
            for number, instant in enumerate(instants):
                await scheduler.add_job(RecurringJobRequest(str(number), After(instant)), work, number % 12)
            await scheduler.wait_idle()

    run(main, backend=backend, seed=seed)
    order = [(instants[int(name)], int(name)) for name in started]
    assert len(order) == JOBS
    assert all(one < other for one, other in pairwise(order))


def test_of_jobs_that_are_submitted_while_workers_are_idle(backend, buffer, seed):
    """Each may be assigned in a turn of its own, to a worker that wakes later than another."""

    async def main():
        async with open_scheduler(max_workers=WORKERS, job_dispatch_buffer_size=buffer) as scheduler:
            for number in range(JOBS):
                scheduler.try_add_job(RecurringJobRequest(str(number), After(0)), work, number % 12)
                if number % 5 == seed:
                    await anyio.lowlevel.checkpoint()
            await scheduler.wait_idle()

    run(main, backend=backend, seed=seed)
    assert started == [str(number) for number in range(JOBS)]
