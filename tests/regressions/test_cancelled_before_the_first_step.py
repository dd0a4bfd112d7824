"""Tasks of the scheduler that were cancelled natively, on asyncio, before their first step: the block was never left.

Cause: such a task never takes that step, and nothing in it hears of the cancellation. Those who waited for the end of a
coordinator, or of a worker, waited for one that had never begun.

Python said besides that a coroutine was never awaited, later and of nobody's: anyio hands the coroutine of a task to
another one that awaits it, and it was that one which the cancellation ended.
"""

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import anyio
import pytest
from back_ends import ASYNCIO

from turnkeeper_trio import After, InternalError, RecurringJobRequest, Scheduler, open_scheduler

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(20),
    ASYNCIO,
]


@pytest.fixture(autouse=True)
def collected(collect_only_own: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A coroutine that never began is in a reference cycle with its task: collect it here; nothing is told of it."""
    lines: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: lines.append(str(unraisable.exc_value)))
    yield
    gc.collect()
    assert lines == []


OURS = ("coordinator", "worker 0", "worker 1", "watcher")


def cancel(names: tuple[str, ...]) -> None:
    for task in asyncio.all_tasks():
        if task.get_name() in {f"turnkeeper {name}" for name in names}:
            task.cancel()


async def use(schedulers: list[Scheduler], names: tuple[str, ...], *, at_once: bool) -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        schedulers.append(scheduler)
        if at_once:
            cancel(names)
            return
        asyncio.get_running_loop().call_soon(cancel, names)
        await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 1)
        await anyio.sleep(50)


def check(scheduler: Scheduler, before: "set[asyncio.Task[Any]]") -> None:
    assert scheduler.is_closed
    assert scheduler.get_metrics_snapshot().books.balanced
    assert scheduler.get_metrics_snapshot().books.active == 0
    assert scheduler.shutdown_report is not None
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "names", [OURS, OURS[:3], OURS[1:], ("coordinator", "watcher"), *((name,) for name in OURS)], ids=str
)
async def test_the_block_is_left_all_the_same(names: tuple[str, ...], *, at_once: bool) -> None:
    before = asyncio.all_tasks()
    schedulers: list[Scheduler] = []
    # Once they have begun, workers that have nothing to do go on.
    fails = at_once or bool({"coordinator", "watcher"} & {*names})
    with pytest.raises(InternalError) if fails else nullcontext():
        await use(schedulers, names, at_once=at_once)
    check(schedulers[0], before)


async def test_a_worker_that_is_to_take_the_place_of_another() -> None:
    def job() -> None:
        raise AssertionError

    async def careless() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(5, task.cancel)
        task.add_done_callback(lambda _: None)
        asyncio.get_running_loop().call_soon(cancel_successor, task, 5)

    def cancel_successor(own: "asyncio.Task[Any]", ticks: int) -> None:
        for task in asyncio.all_tasks():
            if task is not own and task.get_name() == "turnkeeper worker 0":
                task.cancel()
                return
        if ticks:
            asyncio.get_running_loop().call_soon(cancel_successor, own, ticks - 1)

    before = asyncio.all_tasks()
    with pytest.raises(InternalError):
        async with open_scheduler(max_workers=1) as scheduler:
            await anyio.sleep(1)
            await scheduler.add_job(RecurringJobRequest("careless", After(0)), careless)
            await scheduler.add_job(RecurringJobRequest("job", After(1)), job)
            await anyio.sleep(50)
    check(scheduler, before)


async def test_a_cancellation_that_comes_while_their_first_steps_are_waited_for_leaves_as_one() -> None:
    """The step in which the wait begins differs between versions of anyio, so each early step is tried."""
    outcomes = []
    for step in range(12):
        before = asyncio.all_tasks()
        schedulers: list[Scheduler] = []
        task = asyncio.create_task(use(schedulers, OURS, at_once=True))

        def cancel(task: "asyncio.Task[None]", schedulers: list[Scheduler], steps: int) -> None:
            if schedulers and not steps:
                task.cancel()
            else:
                asyncio.get_running_loop().call_soon(cancel, task, schedulers, steps - bool(schedulers))

        cancel(task, schedulers, step)
        await asyncio.wait({task})
        outcomes.append("cancelled" if task.cancelled() else type(task.exception()).__name__)
        check(schedulers[0], before)
    # An error goes before a cancellation, as in each task group; a cancellation alone leaves as itself.
    assert set(outcomes) == {"cancelled", "InternalError"}
