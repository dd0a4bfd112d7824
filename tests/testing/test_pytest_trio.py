"""pytest-trio's tests are pytest-trio's, with its own clock; anyio's plugin keeps away from them."""

import anyio
import pytest
import trio
import trio.testing

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler
from turnkeeper_trio.testing import SchedulerTime

HOURLY = RecurringJobRequest("hourly", Interval(hours=1))


@pytest.mark.trio
async def test_autojump_clock(autojump_clock: trio.testing.MockClock) -> None:
    await anyio.sleep(86_400)
    assert trio.current_time() == autojump_clock.current_time() == 86_400


@pytest.mark.trio
async def test_the_fixtures(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await scheduler.add_job(HOURLY, trio.sleep, 5)
    assert len(await scheduler_time.run_until_runs("hourly", 3)) == 3


@pytest.mark.trio
async def test_a_mock_clock_stands_still_until_the_test_moves_it(
    mock_clock: trio.testing.MockClock, scheduler: Scheduler, scheduler_time: SchedulerTime
) -> None:
    await scheduler.add_job(HOURLY, trio.sleep, 5)
    for _ in range(20):
        await trio.lowlevel.checkpoint()
    assert mock_clock.current_time() == 0
    await scheduler_time.advance(hours=1)
    assert mock_clock.current_time() == 3600
    with trio.move_on_after(60) as scope:
        mock_clock.jump(100)
        await trio.sleep_forever()
    assert scope.cancelled_caught
