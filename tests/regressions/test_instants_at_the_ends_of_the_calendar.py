"""An instant before the year 1 was an `OverflowError` of an interval, and so was a duration that no float can hold.

Cause: an interval is a grid without a beginning, and its next occurrence after an instant that is before the year 1 in
UTC (midnight of 1 January 1 in the east) lay there, too; and a sum of units was rounded, or shown, as a float.
"""

# ruff: noqa: DTZ901  (naive labels, with the zone beside them)

from datetime import UTC, date, datetime, time, timedelta, timezone

import anyio
import pytest

from turnkeeper_trio import ConfigurationError, Outcome, RecurringJobRequest, open_scheduler
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    After,
    Between,
    CalendarInterval,
    Cron,
    Except,
    FixedDelay,
    Interval,
    Once,
    WeekdayTimes,
)

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
BEFORE = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
BEYOND = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
EAST, WEST = "Pacific/Kiritimati", "America/New_York"

SCHEDULES = [
    Once(LAST),
    Once(FIRST),
    Once(datetime.max, timezone=EAST),
    Once(datetime.min, timezone=WEST),
    After(days=3_000_000, anchor=LAST),
    Interval(5, anchor=FIRST),
    Interval(days=3_000_000, anchor=LAST),
    Between(Interval(3600, anchor=LAST), start=LAST),
    Between(Cron("* * * * *", timezone=WEST), end=FIRST),
    CalendarInterval(days=1, start=date.max, timezone=WEST),
    CalendarInterval(years=9999, start=date.min, timezone=EAST),
    CalendarInterval(days=1, start=LAST, timezone=EAST),
    CalendarInterval(days=1, start=FIRST, timezone=WEST),
    Except(Cron("* * * * *", timezone=WEST), (date.min, date.max)),
    Except(Cron("0 * * * *", timezone=EAST), (date(2020, 1, 1), date.max)),
    Except(Interval(3600, anchor=LAST), Cron("0 0 * * 1", timezone=EAST)),
    WeekdayTimes.on(EVERY_DAY, time(23, 59), timezone=WEST),
    Once(LAST) | Cron("0 0 1 1 *", timezone=EAST) | Interval(3600, anchor=FIRST),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_answers_lie_within_the_calendar(schedule):
    for at in (BEFORE, FIRST, FIRST + timedelta(days=1), LAST - timedelta(days=1), LAST, BEYOND):
        following = schedule.next_after(at)
        assert following is None or following > at
        assert schedule.count_between(LAST - timedelta(days=1), at) >= 0
        assert schedule.count_between(at, FIRST + timedelta(days=1)) >= 0
    latest = schedule.latest_us(MIN_INSTANT - 10**15, MIN_INSTANT + 10**11)
    assert latest is None or latest >= MIN_INSTANT
    latest = schedule.latest_us(MAX_INSTANT - 10**11, MAX_INSTANT + 10**15)
    assert latest is None or latest <= MAX_INSTANT


def test_an_interval_begins_with_the_calendar():
    schedule = Interval(5, anchor=LAST)
    assert schedule.next_after(BEFORE) >= FIRST
    assert schedule.latest_us(MIN_INSTANT - 10**9, MIN_INSTANT - 10) is None


@pytest.mark.anyio
@pytest.mark.parametrize("schedule", [*SCHEDULES, FixedDelay(days=3_000_000), After(days=3_000_000)], ids=repr)
async def test_no_schedule_or_limit_at_the_ends_brings_the_scheduler_down(schedule):
    async with open_scheduler(max_workers=1) as scheduler:
        for options in ({}, {"until": FIRST}, {"until": LAST}, {"initial_run_time": FIRST}, {"initial_run_time": LAST}):
            job_id = await scheduler.add_job(RecurringJobRequest("edge", schedule, max_runs=1, **options), int)
            await scheduler.get_job_details(job_id)
            await scheduler.upcoming_runs()
        await anyio.sleep(1)
        innocent = await scheduler.add_job(RecurringJobRequest("innocent", After(0)), int)
        assert (await scheduler.wait_job(innocent)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("name", ["until", "initial_run_time"])
@pytest.mark.parametrize("at", [BEFORE, BEYOND])
def test_an_instant_outside_of_the_calendar_is_refused(name, at):
    with pytest.raises(ConfigurationError, match=name):
        RecurringJobRequest("edge", Cron("* * * * *"), **{name: at})


@pytest.mark.parametrize("make", [After, Interval, FixedDelay])
@pytest.mark.parametrize("units", [{"weeks": 10**400}, {"weeks": 1e304, "days": 1e305}, {"hours": 10**310}])
def test_units_that_no_calendar_holds_are_refused(make, units):
    with pytest.raises(ConfigurationError, match="longer than the calendar"):
        make(**units)


def test_a_negative_duration_that_no_float_holds_is_refused():
    with pytest.raises(ConfigurationError, match="not be negative"):
        After(weeks=-(10**400))
