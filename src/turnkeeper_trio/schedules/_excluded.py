"""What `Except` excludes: read from its arguments, and the zone in which a day is meant."""

from collections.abc import Collection, Iterable
from datetime import date, datetime

from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._days import DayRange
from turnkeeper_trio.schedules._parts import part
from turnkeeper_trio.schedules._zones import Zone, zone_named

_WRITE = "write dates, ranges (first, last) of dates, or schedules"


def taken_apart(excluded: Iterable[object]) -> tuple[tuple[DayRange, ...], tuple[Schedule, ...]]:
    """Return the days as ranges, in order and merged where they meet, and the schedules.

    Raises:
        ConfigurationError: Something is neither a date, nor a range of dates, nor a schedule.
    """
    ranges: list[DayRange] = []
    schedules: list[Schedule] = []
    for each in excluded:
        if isinstance(each, date):
            day = _day(each)
            ranges.append((day, day))
        elif isinstance(each, tuple):
            ranges.append(_range(each))  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(each, list | set | frozenset | dict):
            raise ConfigurationError(
                f"excluded must not hold a {type(each).__name__}: put a * before it, as in Except(schedule, *holidays)",  # pyright: ignore[reportUnknownArgumentType]
                parameter="excluded",
            )
        else:
            schedules.append(_schedule(each))
    return _merged(ranges), tuple(schedules)


def _schedule(value: object) -> Schedule:
    if not hasattr(value, "next_after"):
        raise ConfigurationError(f"excluded must not hold {value!r}; {_WRITE}", parameter="excluded")
    return part("excluded", value)


def _day(value: object) -> int:
    if isinstance(value, datetime):
        raise ConfigurationError(
            f"excluded must hold dates, and {value!r} is an instant; write date({value.year}, {value.month}, "
            f"{value.day})",
            parameter="excluded",
        )
    if not isinstance(value, date):
        raise ConfigurationError(f"excluded must not hold {value!r}; {_WRITE}", parameter="excluded")
    return value.toordinal()


def _range(pair: tuple[object, ...]) -> DayRange:
    if len(pair) != 2:  # noqa: PLR2004  (a pair)
        raise ConfigurationError(f"a range of dates is (first, last), not {pair!r}; {_WRITE}", parameter="excluded")
    first, last = _day(pair[0]), _day(pair[1])
    if last < first:
        raise ConfigurationError(
            f"a range of dates must not end before it starts: write ({pair[1]}, {pair[0]}), not {pair!r}",
            parameter="excluded",
        )
    return first, last


def _merged(ranges: Iterable[DayRange]) -> tuple[DayRange, ...]:
    merged: list[DayRange] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def zone_of_days(given: Zone | None, own: Collection[str], involved: Collection[str]) -> Zone:
    """Return the zone in which days are meant: the one given, else the own one, else the only one involved.

    Raises:
        ConfigurationError: There is no such zone, or more than one.
    """
    if given is not None:
        return given
    for zones in (own, involved):
        if len(zones) == 1:
            return zone_named(next(iter(zones)))
    found = f"the zones {', '.join(sorted(involved))} are involved" if involved else "no zone is involved"
    raise ConfigurationError(
        f"timezone is missing: a day is a day in some zone, and {found}; write timezone='Europe/Berlin'",
        parameter="timezone",
    )
