"""What a job returned stayed in memory when nobody could ask for its run any more, for as long as its worker was idle.

Cause: a worker executes many attempts in one call of a function, and a local variable of it named the last value.
"""

import gc
import weakref

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collect_only_own")]


class Value:
    """Something that can be watched."""


async def test_a_value_goes_with_its_run() -> None:
    seen: list[weakref.ref[Value]] = []

    async def job() -> Value:
        value = Value()
        seen.append(weakref.ref(value))
        return value

    async with open_scheduler(max_workers=1, history_limit=0) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        await anyio.sleep(1)
        gc.collect()
        assert seen[0]() is None
