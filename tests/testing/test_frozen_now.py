"""With the fixture `frozen_now`, the machine's clock follows the virtual time of the test."""

import time
from datetime import UTC, datetime

import anyio
import pendulum
import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler
from turnkeeper_trio.testing import SchedulerTime

pytest.importorskip("time_machine")
pytestmark = [pytest.mark.anyio, pytest.mark.scheduler_time(start="2026-03-28 00:00", timezone="Europe/Berlin")]


async def test_now_is_the_virtual_time(scheduler: Scheduler, frozen_now: SchedulerTime) -> None:
    seen: list[datetime] = []

    async def note() -> None:
        seen.append(datetime.now(UTC))

    assert pendulum.now("Europe/Berlin").to_datetime_string() == "2026-03-28 00:00:00"
    await scheduler.add_job(RecurringJobRequest("note", Interval(hours=6)), note)
    await anyio.sleep(13 * 3600)
    assert [at.hour for at in seen] == [5, 11]
    frozen_now.step_wall(hours=-2)
    assert time.time() == frozen_now.now.timestamp() == scheduler.now().timestamp()


async def test_it_follows_whichever_fixture_comes_first(frozen_now: SchedulerTime, scheduler: Scheduler) -> None:
    await frozen_now.advance(hours=1)
    assert datetime.now(UTC).hour == scheduler.now().hour == 0


def test_it_holds_before_there_is_a_loop(frozen_now: SchedulerTime) -> None:
    assert pendulum.now("UTC").to_datetime_string() == "2026-03-27 23:00:00"
    assert frozen_now.timezone == "Europe/Berlin"
