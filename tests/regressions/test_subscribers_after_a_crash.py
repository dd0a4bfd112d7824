"""A subscriber to events waited for ever after a fault inside of the scheduler.

Cause: subscriptions ended by being told `SchedulerStopped`, which is told last, and after a fault perhaps not at all.
"""

import anyio
import pytest

from turnkeeper_trio import InternalError, Interval, RecurringJobRequest, open_scheduler
from turnkeeper_trio._engine.engine import Engine

pytestmark = pytest.mark.anyio


async def test_the_iteration_ends(monkeypatch):
    def faulty(*args, **kwargs):
        raise ArithmeticError

    ended = []

    async def subscribe(scheduler):
        async with scheduler.events() as events:
            async for _ in events:
                pass
            ended.append(anyio.current_time())

    with anyio.fail_after(1000):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(InternalError):
                async with open_scheduler(max_workers=1) as scheduler:
                    tasks.start_soon(subscribe, scheduler)
                    await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
                    await anyio.sleep(5)
                    monkeypatch.setattr(Engine, "take_effects", faulty)
                    await anyio.sleep_forever()
    assert ended == [10]
