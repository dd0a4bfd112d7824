"""Schedules: the rules that say at which instants a job has its occurrences."""

from turnkeeper_trio.schedules._base import schedule_from_json
from turnkeeper_trio.schedules.calendar_interval import CalendarInterval
from turnkeeper_trio.schedules.combined import AnyOf, Between
from turnkeeper_trio.schedules.cron import Cron
from turnkeeper_trio.schedules.exclusion import Except
from turnkeeper_trio.schedules.interval import FixedDelay, Interval
from turnkeeper_trio.schedules.never import Never
from turnkeeper_trio.schedules.once import After, Once
from turnkeeper_trio.schedules.upcoming import upcoming
from turnkeeper_trio.schedules.weekday_times import EVERY_DAY, WEEKEND, WORKDAYS, Weekday, WeekdayTimes

__all__ = [
    "EVERY_DAY",
    "WEEKEND",
    "WORKDAYS",
    "After",
    "AnyOf",
    "Between",
    "CalendarInterval",
    "Cron",
    "Except",
    "FixedDelay",
    "Interval",
    "Never",
    "Once",
    "Weekday",
    "WeekdayTimes",
    "schedule_from_json",
    "upcoming",
]
