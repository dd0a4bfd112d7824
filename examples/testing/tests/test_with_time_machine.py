"""Code that asks the machine for the time follows virtual time."""

import time
from datetime import UTC, datetime

import pendulum
import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler
from turnkeeper_trio.testing import SchedulerTime

pytest.importorskip("time_machine")

pytestmark = [pytest.mark.anyio, pytest.mark.scheduler_time(start="2026-03-28 00:00")]


@pytest.mark.usefixtures("frozen_now")
async def test_jobs_see_virtual_time(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    seen: list[datetime] = []

    async def note() -> None:
        seen.append(datetime.now(UTC))

    await scheduler.add_job(RecurringJobRequest("note", Interval(hours=6)), note)
    await scheduler_time.advance(days=1)
    assert [at.hour for at in seen] == [6, 12, 18, 0]
    assert pendulum.now("UTC") == scheduler_time.now
    scheduler_time.step_wall(hours=-2)
    assert time.time() == scheduler_time.now.timestamp()
