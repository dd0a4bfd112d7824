"""Schedules: when a job's occurrences are."""

from turnkeeper_trio.schedules._base import schedule_from_json
from turnkeeper_trio.schedules.intervals import FixedDelay, Interval
from turnkeeper_trio.schedules.single import After, Never, Once
from turnkeeper_trio.schedules.weekdays import EVERY_DAY, WEEKEND, WORKDAYS, Weekday, WeekdayTimes

__all__ = [
    "EVERY_DAY",
    "WEEKEND",
    "WORKDAYS",
    "After",
    "FixedDelay",
    "Interval",
    "Never",
    "Once",
    "Weekday",
    "WeekdayTimes",
    "schedule_from_json",
]
