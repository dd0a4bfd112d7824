"""After a fault inside of the scheduler the block hung for ever, or a ``KeyError`` about an attempt left it.

Cause: `finish` answered the callers last, and set `ended` after that. So after a second fault in it (for example
because it asked the same question again) no caller was answered. And it emptied the table of assignments while attempts
were with workers, and did not find them there when they were reported. Subscribers waited for an end that never came.
"""

import anyio
import pytest
from sample_jobs import fail

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    InternalError,
    Interval,
    RecurringJobRequest,
    SchedulerClosed,
    TurnKeeperError,
    open_scheduler,
)
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.publisher import EventPublisher
from turnkeeper_trio._runtime.worker import Worker

pytestmark = pytest.mark.anyio

FAULTS = [
    (Engine, "report"),
    (Engine, "accept"),
    (Engine, "take_due"),
    (Engine, "next_due"),
    (Engine, "take_effects"),
    (EventPublisher, "publish"),
    (Dispatcher, "send"),
    (Worker, "_execute_in"),
]


class Planted(Exception):
    pass


class Deaf:
    """An observer, so that events are published, without a method for them."""


async def unwind(cleaned):
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3)
        cleaned.append(anyio.current_time())


async def ask_on_and_on(ends, ask):
    try:
        while anyio.current_time() < 100:  # A question is answered from the final state, for ever.
            await ask()
            await anyio.sleep(1)
    except TurnKeeperError as exc:
        ends.append(exc)
    else:
        ends.append(None)


async def listen(ends, scheduler):
    async with scheduler.events(buffer=1) as events:
        async for _ in events:
            pass
    ends.append(None)


@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize(("where", "what"), FAULTS)
async def test_a_fault_inside_leaves_as_internal_error_after_all_runs_have_ended_and_all_callers_are_answered(
    monkeypatch, where, what, again
):
    original, planted = getattr(where, what), False

    def faulty(*args, **kwargs):
        nonlocal planted
        if anyio.current_time() >= 10 and (again or not planted):
            planted = True
            raise Planted
        return original(*args, **kwargs)

    monkeypatch.setattr(where, what, faulty)
    cleaned, ends = [], []
    with anyio.fail_after(1000):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(InternalError) as caught:
                async with open_scheduler(max_workers=3, staging_buffer_size=1, observers=[Deaf()]) as scheduler:
                    for _ in range(2):
                        stuck = await scheduler.add_job(RecurringJobRequest("stuck", After(0)), unwind, cleaned)
                    retried = RecurringJobRequest("retried", After(0), max_retries=1, retry=FixedRetryDelay(500))
                    failing = await scheduler.add_job(retried, fail)
                    ticks = await scheduler.add_job(RecurringJobRequest("ticks", Interval(seconds=1)), anyio.sleep, 0.5)
                    later = RecurringJobRequest("later", After(hours=1))
                    asks = (
                        lambda: scheduler.add_job(later, anyio.sleep, 0),
                        lambda: scheduler.get_job_details(ticks),
                        scheduler.list_active_runs,
                        lambda: scheduler.skip_next_run(ticks),
                        lambda: scheduler.wait_job(failing),
                        scheduler.wait_idle,
                        lambda: scheduler.cancel_job(stuck, cancel_running=anyio.current_time() > 9),
                    )
                    tasks.start_soon(listen, ends, scheduler)
                    for ask in asks:
                        tasks.start_soon(ask_on_and_on, ends, ask)
                    await anyio.sleep_forever()
            assert isinstance(caught.value.__cause__, Planted)
            assert len(cleaned) == 2
            assert scheduler.is_closed
            with pytest.raises(SchedulerClosed):
                scheduler.try_add_job(later, anyio.sleep, 0)
    assert len(ends) == len(asks) + 1
    if not again:
        assert scheduler.get_metrics_snapshot().books.balanced
