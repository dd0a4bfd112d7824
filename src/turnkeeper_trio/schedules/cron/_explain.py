"""Explains a cron expression in words, so that a person can check it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from turnkeeper_trio.schedules.cron._calendar import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS
from turnkeeper_trio.schedules.cron._field import YEAR
from turnkeeper_trio.schedules.cron._parser import MonthDays, Spec, WeekDays, bits

_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ORDINALS: Final = ("", "first", "second", "third", "fourth", "fifth")
_MOST_TIMES: Final = 6  # more times of day than this are explained by their fields
_MOST_LISTED: Final = 3  # more values than this are explained as steps if they are at equal distances
_MONDAY_FIRST: Final = (1, 2, 3, 4, 5, 6, 0)


def sentence(spec: Spec) -> str:
    """Return what a spec means, in words, without a zone."""
    parts = [_times(spec), _days(spec), _months(spec)]
    if spec.years is not None:
        parts.append(_years(bits(spec.years)))
    return " ".join(part for part in parts if part)


def _years(years: Sequence[int]) -> str:
    step = years[1] - years[0] if len(years) > _MOST_LISTED else 0
    stepped = step > 1
    if stepped and years[-1] + step > YEAR.high and len(years) == len(range(years[0], YEAR.high + 1, step)):
        return f"in every {_nth(step)} year from {years[0]} on"
    return f"in {_numbers('year', years) if stepped else _and(_runs([str(year) for year in years], years))}"


def _times(spec: Spec) -> str:
    hours, minutes, seconds = bits(spec.hours), bits(spec.minutes), bits(spec.seconds)
    if not spec.every_pass and len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        with_seconds = spec.seconds != 1
        return "at " + _and(
            f"{hour:02}:{minute:02}" + (f":{second:02}" if with_seconds else "")
            for hour in hours
            for minute in minutes
            for second in seconds
        )
    parts: list[str] = []
    if spec.seconds != 1:
        parts.append(_unit("second", seconds, 60, starred="second" in spec.stars))
    parts.append(_unit("minute", minutes, 60, starred="minute" in spec.stars))
    parts.append(_unit("hour", hours, 24, starred="hour" in spec.stars))
    while (
        len(parts) > 1 and parts[-1] in {"every hour", "every minute"} and parts[-2] in {"every minute", "every second"}
    ):
        parts.pop()  # every minute is every minute of every hour
    return " of ".join(parts) if parts[0] in {"every minute", "every second"} else f"at {' of '.join(parts)}"


def _unit(name: str, values: Sequence[int], size: int, *, starred: bool) -> str:
    return f"every {name}" if starred and len(values) == size else _numbers(name, values)


def _numbers(name: str, values: Sequence[int]) -> str:
    """Return numbers in words: as "every n-th … from … to …" if their distances are equal and not 1, else as runs."""
    step = values[1] - values[0] if len(values) > _MOST_LISTED else 0
    if step > 1 and all(later - value == step for value, later in pairwise(values)):
        return f"every {_nth(step)} {name} from {values[0]} to {values[-1]}"
    return f"{name}{'s' * (len(values) > 1)} {_and(_runs([str(value) for value in values], values))}"


def _nth(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _days(spec: Spec) -> str:
    whole_days, whole_week = spec.days.plain == ALL_DAYS, spec.weekdays.plain == ALL_WEEKDAYS
    if spec.both_days:
        if whole_days and whole_week:
            return "every day"
        if whole_week:
            return _month_days(spec.days)
        if whole_days:
            return _week_days(spec.weekdays)
        return f"{_month_days(spec.days)}, and only {_week_days(spec.weekdays)}"
    return f"{_month_days(spec.days)} or {_week_days(spec.weekdays)}"


def _month_days(days: MonthDays) -> str:
    parts: list[str] = []
    if days.plain:
        parts.append(_numbers("day", bits(days.plain)))
    parts += [f"the weekday nearest to day {day}" for day in sorted(days.nearest)]
    parts += [_before_last(before) for before in sorted(days.before_last, reverse=True)]
    parts += [_near_last(before) for before in sorted(days.near_last, reverse=True)]
    parts += [
        f"the day {before} day{'s' * (before > 1)} before the last weekday from Monday to Friday"
        for before in sorted(days.before_last_weekday, reverse=True)
    ]
    return f"on {_and(parts)} of the month"


def _before_last(before: int) -> str:
    if before == 0:
        return "the last day"
    return f"the day {before} day{'s' * (before > 1)} before the last"


def _near_last(before: int) -> str:
    return f"the weekday nearest to {_before_last(before)}" if before else "the last weekday from Monday to Friday"


def _week_days(weekdays: WeekDays) -> str:
    parts: list[str] = []
    plain = [day for day in _MONDAY_FIRST if weekdays.plain >> day & 1]
    if plain:
        places = [_MONDAY_FIRST.index(day) for day in plain]
        parts += _runs([_WEEKDAYS[day] for day in plain], places)
    special = [f"the {_ORDINALS[nth]} {_WEEKDAYS[day]}" for day, nth in sorted(weekdays.nth, key=lambda of: of[::-1])]
    special += [f"the last {_WEEKDAYS[day]}" for day in _MONDAY_FIRST if day in weekdays.last]
    return f"on {_and(parts + special)}" + (" of the month" if special else "")


def _months(spec: Spec) -> str:
    if spec.months == ALL_MONTHS:
        return ""
    numbers = bits(spec.months)
    return f"in {_and(_runs([_MONTHS[number] for number in numbers], numbers))}"


def _runs(texts: Sequence[str], places: Sequence[int]) -> list[str]:
    """Return the texts, where three or more whose places are in a row become one: ``first to last``."""
    joined: list[str] = []
    start = 0
    for end in range(1, len(texts) + 1):
        if end < len(texts) and places[end] == places[end - 1] + 1:
            continue
        if end - start > 2:  # noqa: PLR2004  (two stay two)
            joined.append(f"{texts[start]} to {texts[end - 1]}")
        else:
            joined += texts[start:end]
        start = end
    return joined


def _and(parts: Iterable[str]) -> str:
    """Return parts as a list in words: ``a, b and c``."""
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    return f"{', '.join(listed[:-1])} and {listed[-1]}"
