"""Opening and closing, over and over: nothing hangs, and nothing is left."""

import anyio
import pytest
from stress import QUEUES, many

from turnkeeper_trio import After, Interval, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio

NOW, LATER, TICKS = (
    RecurringJobRequest("now", After(0)),
    RecurringJobRequest("later", After(60)),
    RecurringJobRequest("ticks", Interval(seconds=1)),
)


def tasks() -> list[tuple[int, str | None]]:
    return sorted((task.id, task.name) for task in anyio.get_running_tasks())


async def nap():
    await anyio.sleep(0.5)


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_thousand_schedulers_one_after_the_other_leave_no_task_and_lose_no_run(queue):
    before = tasks()
    executed = 0
    for cycle in range(many(1000)):
        async with open_scheduler(max_workers=1 + cycle % 4, priority_queue=queue) as scheduler:
            for request in (NOW, LATER, TICKS):
                await scheduler.add_job(request, nap)
            await anyio.sleep((0, 0.25, 1.75)[cycle % 3])
            if cycle % 5:
                report = await (scheduler.shutdown_force if cycle % 2 else scheduler.shutdown_graceful)()
                assert not report.still_running
        assert tasks() == before
        books = scheduler.get_metrics_snapshot().books
        assert books.balanced
        assert (books.active, books.failed) == (0, 0)
        assert books.planned >= 3
        executed += books.succeeded
    assert executed >= many(1000) // 3


async def test_a_hundred_schedulers_at_once_leave_no_task():
    before = tasks()
    schedulers = []

    async def cycle(number):
        async with open_scheduler(max_workers=2) as scheduler:
            schedulers.append(scheduler)
            for request in (NOW, LATER, TICKS):
                await scheduler.add_job(request, nap)
            await anyio.sleep(number / 20)

    async with anyio.create_task_group() as group:
        for number in range(many(100)):
            group.start_soon(cycle, number)
    assert tasks() == before
    assert all(scheduler.get_metrics_snapshot().books.balanced for scheduler in schedulers)
    assert sum(scheduler.get_metrics_snapshot().books.active for scheduler in schedulers) == 0
