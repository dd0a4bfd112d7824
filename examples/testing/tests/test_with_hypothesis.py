"""Properties of schedules: each example is a test in virtual time of its own."""

import anyio
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from shop_reports import FETCH, Shop

from turnkeeper_trio import Interval, open_scheduler
from turnkeeper_trio.testing import current_scheduler_time, run


async def count(minutes: int) -> int:
    async with open_scheduler(max_workers=1, history_per_job=1000) as scheduler:
        await scheduler.add_job(FETCH.replace(schedule=Interval(minutes=minutes)), Shop().fetch_orders)
        await current_scheduler_time().advance(days=1)
        return len(current_scheduler_time().runs())


@settings(max_examples=20, deadline=None)
@given(minutes=st.integers(10, 600))
def test_in_a_plain_test(minutes: int) -> None:
    assert run(count, minutes) in {1440 // minutes, 1440 // minutes - 1}


@pytest.mark.anyio
@pytest.mark.scheduler_time(start="2026-03-28 00:00")
@settings(max_examples=20, deadline=None)
@given(minutes=st.integers(10, 600))
async def test_with_a_plugin(minutes: int) -> None:
    before = anyio.current_time()
    assert await count(minutes) in {1440 // minutes, 1440 // minutes - 1}
    assert anyio.current_time() >= before + 86_400
