"""With a `VirtualClock` on an event loop in real time, every plain function failed with an ``AttributeError``.

Cause: to hold time, the clock went to the virtual loop, or the mock clock, that it took for granted.
"""

import pytest

from turnkeeper_trio import After, RecurringJobRequest, VirtualClock, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


async def test_a_plain_function_runs_while_real_time_goes_on():
    async with open_scheduler(max_workers=1, clock=VirtualClock()) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("plain", After(0)), lambda: 5))
        assert record is not None
        assert record.unwrap() == 5
