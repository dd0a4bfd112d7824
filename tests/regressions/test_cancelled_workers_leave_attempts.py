"""When a worker was cancelled natively, on asyncio, just as it was woken for an attempt, the block was never left.

Cause: the scheduler ends when every attempt that was dispatched has been reported. The attempt was still in the
dispatch stream. The only worker that was woken for it was dead, the others slept, and if it was the last worker, none
was left to take the attempt.
"""

import asyncio
from contextlib import suppress

import anyio
import pytest
from back_ends import ASYNCIO
from fake_store import FakeStore

from turnkeeper_trio import After, InternalError, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, ASYNCIO]


def cancel_in(ticks: int, names: set[str]) -> None:
    """Cancel tasks natively after this number of turns of the event loop."""
    if ticks:
        asyncio.get_running_loop().call_soon(cancel_in, ticks - 1, names)
        return
    for task in asyncio.all_tasks():
        if task.get_name() in names:
            task.cancel()


@pytest.mark.parametrize("ticks", range(16))
@pytest.mark.parametrize("buffer", [1, 2, 4])
@pytest.mark.parametrize(
    ("workers", "killed"), [(1, {0}), (2, {0}), (2, {1}), (2, {0, 1}), (3, {2}), (3, {1, 2})], ids=str
)
async def test_every_attempt_comes_back(workers: int, killed: set[int], buffer: int, ticks: int) -> None:
    """If it was executing, it has failed."""
    with suppress(InternalError):
        async with open_scheduler(max_workers=workers, job_dispatch_buffer_size=buffer) as scheduler:
            await anyio.sleep(1)
            cancel_in(ticks, {f"turnkeeper worker {number}" for number in killed})
            for _ in range(5):
                await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 0)
            await anyio.sleep(100)
    assert scheduler.get_metrics_snapshot().books.balanced
    assert scheduler.get_metrics_snapshot().books.active == 0


@pytest.mark.parametrize("ticks", range(12))
async def test_what_is_handed_out_when_no_worker_is_left_comes_back_too(ticks: int) -> None:
    """It was assigned before, and the store was slow to commit that."""
    with suppress(InternalError):
        store = FakeStore()
        store.delay = 5
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("sleep", anyio.sleep)
            scheduler.try_add_job(RecurringJobRequest("job", After(0)), "sleep", 0)
            await anyio.sleep(1)
            cancel_in(ticks, {"turnkeeper worker 0"})
            await anyio.sleep(100)
    assert scheduler.get_metrics_snapshot().books.balanced
    assert scheduler.get_metrics_snapshot().books.active == 0
