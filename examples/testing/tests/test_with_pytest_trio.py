"""Tests of pytest-trio."""

import pytest
import trio
from shop_reports import Shop, add_jobs
from trio.testing import MockClock

from turnkeeper_trio import Scheduler
from turnkeeper_trio.testing import SchedulerTime

pytest.importorskip("pytest_trio")

pytestmark = [pytest.mark.trio, pytest.mark.scheduler_time(start="2026-03-28 00:00", timezone="Europe/Berlin")]


async def test_the_fixtures(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await add_jobs(scheduler, Shop())
    await scheduler_time.run_until_runs("report")
    assert str(scheduler_time.now) == "2026-03-30 09:00:00+02:00"


async def test_its_autojump_clock(
    autojump_clock: MockClock, scheduler: Scheduler, scheduler_time: SchedulerTime
) -> None:
    await add_jobs(scheduler, Shop())
    await trio.sleep(3 * 86_400)
    assert autojump_clock.current_time() == 3 * 86_400
    assert len(scheduler_time.runs("report")) == 1


async def test_its_mock_clock(mock_clock: MockClock, scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await add_jobs(scheduler, Shop())
    for _ in range(10):
        await trio.lowlevel.checkpoint()
    assert mock_clock.current_time() == 0
    await scheduler_time.advance(days=3)
    assert mock_clock.current_time() == 3 * 86_400
    assert len(scheduler_time.runs("report")) == 1


@pytest.mark.schedule_seeds(3)
async def test_seeds(scheduler: Scheduler, scheduler_time: SchedulerTime, nursery: trio.Nursery) -> None:
    nursery.start_soon(add_jobs, scheduler, Shop())
    await scheduler_time.run_until_runs("fetch", 2)
