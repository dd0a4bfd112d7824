"""Times of day, dates, instants and durations: as microseconds, as the code that makes them (``repr``), and as JSON.

Also reads a duration that is given in seconds, as a ``timedelta``, or in units such as ``hours=1``.
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any, Final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import has_months
from turnkeeper_trio._model.times import MICROSECONDS, instant_us, utc_datetime
from turnkeeper_trio._validation import LONGEST
from turnkeeper_trio.errors import ConfigurationError


def time_us(name: str, value: object, must: str) -> int:
    """Return a time of day in microseconds since midnight.

    Args:
        name: The name of the parameter.
        value: What was given.
        must: How the message of an error begins: ``"at must be"``.

    Raises:
        ConfigurationError: ``value`` is no ``datetime.time``, or has a timezone or ``fold=1``.
    """
    if not isinstance(value, time):
        meant = time_hint(value)
        hint = "" if meant is None else f"; write {time_code(meant)}"
        message = f"{must} a datetime.time, such as time(9, 30), not {guard.shown(value)}{hint}"
        raise ConfigurationError(message, parameter=name)
    if value.tzinfo is not None:
        raise ConfigurationError(
            f"{must} a time without a zone, not {guard.shown(value)}: the zone is the schedule's, timezone=…",
            parameter=name,
        )
    if value.fold:
        raise ConfigurationError(
            f"{must} a time without fold, not {guard.shown(value)}: a time shown twice happens the first time",
            parameter=name,
        )
    return ((value.hour * 60 + value.minute) * 60 + value.second) * MICROSECONDS + value.microsecond


def us_time(us: int) -> time:
    """Return the time of day that is ``us`` after midnight."""
    seconds, micro = divmod(us, MICROSECONDS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return time(hour, minute, second, micro)


def time_hint(value: object) -> time | None:
    """Return the time of day that a text, a datetime or a full hour probably means; ``None`` for all else."""
    if isinstance(value, datetime):
        return value.time()
    if isinstance(value, str) and ":" in value:
        plain = value.strip()
        found, _ = guard.call(time.fromisoformat, plain if plain[1:2] != ":" else f"0{plain}")
        return None if found is None else found.replace(tzinfo=None)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 23:  # noqa: PLR2004  (hours of a day)
        return time(value)
    return None


def time_code(value: time) -> str:
    """Return the code that makes a time of day."""
    parts = [value.hour, value.minute, value.second, value.microsecond]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return f"time({', '.join(map(str, parts))})"


def time_from_text(text: Any) -> time:
    """Return the time of day that JSON holds as a text such as ``"09:30:00"``."""
    return time.fromisoformat(text)


def date_code(value: date) -> str:
    """Return the code that makes a date."""
    return f"date({value.year}, {value.month}, {value.day})"


def instant_code(at: int, zone: Any = None) -> str:
    """Return the code that makes the datetime of an instant, in the given `Zone`, or in UTC if ``zone`` is ``None``."""
    when = utc_datetime(at)
    key = "UTC"
    if zone is not None:
        when, key = when.astimezone(zone.info), zone.key
    parts = [when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond]
    while len(parts) > 5 and parts[-1] == 0:  # noqa: PLR2004  (seconds and microseconds are left out if zero)
        parts.pop()
    fold = "fold=1, " if when.fold else ""
    return f"datetime({', '.join(map(str, parts))}, {fold}tzinfo=ZoneInfo({key!r}))"


def instant_text(at: int) -> str:
    """Return an instant as JSON holds it: ISO 8601, in UTC, with ``Z``."""
    return utc_datetime(at).isoformat().replace("+00:00", "Z")


def instant_from_text(text: Any) -> datetime:
    """Return the instant that `instant_text` wrote, as a datetime in UTC.

    Raises:
        ValueError: The text is no ISO 8601 date and time, or has no offset.
    """
    when = datetime.fromisoformat(text)
    instant_us(when)  # raises if it is naive
    return when.astimezone(UTC)


UNITS: Final = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
"""The seconds in each unit, the longest unit first."""


def total_us(name: str, whole: object, units: Mapping[str, object], *, least: int) -> int:
    """Return a duration in microseconds, from ``whole`` or from the sum of ``units``.

    Args:
        name: The name of the parameter that ``whole`` was given as.
        whole: Seconds, or a ``timedelta``; ``None`` if it was not given.
        units: A number for each name in `UNITS`; ``None`` if it was not given.
        least: The shortest duration that is accepted, in microseconds.

    Raises:
        ConfigurationError: Neither or both of ``whole`` and ``units`` were given, or the duration is no finite number,
            is negative, is shorter than ``least``, is longer than the calendar, or has months or years.
    """
    given = {unit: value for unit, value in units.items() if value is not None}
    if whole is None and not given:
        raise ConfigurationError(
            f"{name} is missing: give it in seconds, as a timedelta, or in units such as hours=1", parameter=name
        )
    if whole is not None and given:
        both = ", ".join(f"{unit}=" for unit in given)
        raise ConfigurationError(f"{name} and {both} are both given: give one or the other", parameter=name)
    if whole is not None:
        us = _whole_us(name, whole)
    else:
        name = next(iter(given))
        us = round(sum(_number(unit, value) * UNITS[unit] for unit, value in given.items()) * MICROSECONDS)
    if us < least:
        floor = f"at least {least / MICROSECONDS:g} s" if least else "not negative"
        raise ConfigurationError(f"{name} must be {floor}, it is {us / MICROSECONDS:g} s", parameter=name)
    if us > LONGEST:
        shown = f": {us / MICROSECONDS:g} s" if us < 1 << 1000 else ""  # a float overflows a little beyond that
        raise ConfigurationError(f"{name} is longer than the calendar{shown}", parameter=name)
    return us


def duration_code(us: int) -> str:
    """Return a duration as keyword arguments: ``hours=1, minutes=30``."""
    rest, fraction = divmod(us, MICROSECONDS)
    parts: list[str] = []
    for unit, size in UNITS.items():
        amount, rest = divmod(rest, size)
        if amount and not (unit == "seconds" and fraction):
            parts.append(f"{unit}={amount}")
    if fraction:  # below 60 s a float is exact to the microsecond, so the code makes the same duration
        parts.append(f"seconds={(us % (60 * MICROSECONDS)) / MICROSECONDS!r}")
    return ", ".join(parts) or "seconds=0"


def _whole_us(name: str, value: object) -> int:
    if type(value) is int and value >= 0:
        return value * MICROSECONDS
    if has_months(value):
        raise ConfigurationError(
            f"{name} has months or years, which have no fixed length: {guard.shown(value)}; "
            f"write CalendarInterval(months=…)",
            parameter=name,
        )
    if isinstance(value, timedelta):
        # From the fields, because pendulum's Duration cannot be divided by a timedelta.
        return (value.days * 86_400 + value.seconds) * MICROSECONDS + value.microseconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(_number(name, value) * MICROSECONDS)
    raise ConfigurationError(
        f"{name} must be seconds (a number) or a timedelta, or units such as minutes=1, not {guard.shown(value)}",
        parameter=name,
    )


def _number(name: str, value: object) -> int | Fraction:
    """Return a number as an integer or a fraction, so that a sum of units is exact and is rounded only once."""
    if type(value) is int and value >= 0:
        return value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigurationError(f"{name} must be a number, not {guard.shown(value)}", parameter=name)
    if isinstance(value, float) and not math.isfinite(value):  # isfinite() overflows on a large int
        raise ConfigurationError(f"{name} must be finite, not {guard.shown(value)}", parameter=name)
    if value < 0:
        raise ConfigurationError(f"{name} must not be negative, it is {guard.shown(value)}", parameter=name)
    return Fraction(value)
