"""Tests of pytest-asyncio, in its strict mode."""

import asyncio

import pytest
from shop_reports import Shop, add_jobs

from turnkeeper_trio import Scheduler
from turnkeeper_trio.testing import SchedulerTime

pytest.importorskip("pytest_asyncio")
import pytest_asyncio

pytestmark = [pytest.mark.asyncio, pytest.mark.scheduler_time(start="2026-03-28 00:00", timezone="Europe/Berlin")]


@pytest_asyncio.fixture
async def busy_scheduler(scheduler: Scheduler) -> Scheduler:
    await add_jobs(scheduler, Shop())
    return scheduler


async def test_the_fixtures(busy_scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await scheduler_time.run_until_runs("report")
    assert str(scheduler_time.now) == "2026-03-30 09:00:00+02:00"
    await asyncio.sleep(86_400)
    assert len(scheduler_time.runs("fetch")) > 24
