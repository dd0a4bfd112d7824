"""A single Ctrl-C under ``asyncio.run``, in the very step in which somebody is told something: `InternalError` left.

Cause: ``asyncio.run`` handles the signal between two lines of Python, whichever run then, by cancelling the main task.
``asyncio.Event.set`` looks whether a waiter still waits, and tells it in the next line: cancelled between these, that
is an ``InvalidStateError`` in whoever sets the event. It was the coordinator, and every job ended. Whoever waited by
the same event and stood behind was not told, and waited for ever.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from turnkeeper_trio import After, RecurringJobRequest, Scheduler, ShutdownReport, open_scheduler
from turnkeeper_trio.testing import VirtualEventLoop

pytestmark = pytest.mark.timeout(20)

NOW = RecurringJobRequest("job", After(0), key="job")
main_task: list["asyncio.Task[None]"] = []


def set_with_ctrl_c(event: asyncio.Event) -> None:
    """Do what ``asyncio.Event.set`` does; the signal comes between its two lines, when it is the main task's turn."""
    if not event._value:
        event._value = True
        for waiter in event._waiters:
            if not waiter.done():
                if main_task and main_task[0]._fut_waiter is waiter:
                    main_task.clear()
                    signal.raise_signal(signal.SIGINT)
                waiter.set_result(True)


def arm() -> None:
    task = asyncio.current_task()
    assert task is not None
    main_task[:] = [task]


async def ask(scheduler: Scheduler) -> None:
    arm()
    await scheduler.get_job_details("job")


async def submit(scheduler: Scheduler) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(scheduler.add_job, NOW, anyio.sleep, 1)
        await anyio.lowlevel.checkpoint()
        arm()
        await scheduler.add_job(NOW, anyio.sleep, 1)


async def listen(scheduler: Scheduler) -> None:
    async with scheduler.events() as events:
        arm()
        async for _ in events:
            pass


async def leave(scheduler: Scheduler) -> None:
    assert not scheduler.is_closed
    arm()  # It waits for the end now, and somebody else behind it.


@pytest.mark.parametrize("way", [ask, submit, listen, leave])
def test_it_is_a_cancellation_of_the_main_task(
    way: Callable[[Scheduler], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[object] = []
    reports: list[ShutdownReport] = []

    async def waits_too(scheduler: Scheduler) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
            reports.append(await scheduler.shutdown_graceful())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True):
                try:
                    async with open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler:
                        await scheduler.add_job(NOW, anyio.sleep, 5)
                        if way is leave:
                            tasks.start_soon(waits_too, scheduler)
                        await way(scheduler)
                except BaseException as exc:
                    left.append(type(exc))
                    assert scheduler.get_metrics_snapshot().books.balanced
                    assert scheduler.shutdown_report is not None
                    raise

    monkeypatch.setattr(asyncio.Event, "set", set_with_ctrl_c)
    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(main())
    assert left == [asyncio.CancelledError]
    assert not main_task
    assert len(reports) == (way is leave)
