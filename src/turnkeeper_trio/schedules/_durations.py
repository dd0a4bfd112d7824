"""Durations as users write them (seconds, a timedelta, or units by name), and as the code that makes them."""

import math
from datetime import timedelta
from fractions import Fraction
from typing import Final

import pendulum

from turnkeeper_trio._checks import LONGEST
from turnkeeper_trio._model.instants import MICROSECONDS
from turnkeeper_trio.errors import ConfigurationError

UNITS: Final = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
"""Seconds in a unit, longest first."""


def total_us(name: str, whole: object, units: dict[str, object], *, least: int) -> int:
    """Return a duration in microseconds, given as ``whole`` or as a sum of units.

    Args:
        name: What ``whole`` is called where it was given.
        whole: Seconds, or a ``timedelta``; ``None`` if units are given.
        units: Numbers by the names of `UNITS`; ``None`` is not given.
        least: The shortest that makes sense, in microseconds.

    Raises:
        ConfigurationError: Nothing or both were given, or what was given is no such duration.
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
        raise ConfigurationError(f"{name} is longer than the calendar: {us / MICROSECONDS:g} s", parameter=name)
    return us


def duration_code(us: int) -> str:
    """Return a duration as keyword arguments: ``hours=1, minutes=30``."""
    rest, fraction = divmod(us, MICROSECONDS)
    parts: list[str] = []
    for unit, size in UNITS.items():
        amount, rest = divmod(rest, size)
        if amount and not (unit == "seconds" and fraction):
            parts.append(f"{unit}={amount}")
    if fraction:  # below 60 s a float tells each microsecond, so reading the code gives the same duration
        parts.append(f"seconds={(us % (60 * MICROSECONDS)) / MICROSECONDS!r}")
    return ", ".join(parts) or "seconds=0"


def _whole_us(name: str, value: object) -> int:
    if isinstance(value, pendulum.Duration) and not isinstance(value, pendulum.Interval) and value.months + value.years:
        raise ConfigurationError(
            f"{name} has months or years, which have no fixed length: {value!r}; write CalendarInterval(months=…)",
            parameter=name,
        )
    if isinstance(value, timedelta):
        # By the fields, since pendulum's Duration cannot be divided by a timedelta.
        return (value.days * 86_400 + value.seconds) * MICROSECONDS + value.microseconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(_number(name, value) * MICROSECONDS)
    raise ConfigurationError(f"{name} must be seconds (a number) or a timedelta, not {value!r}", parameter=name)


def _number(name: str, value: object) -> Fraction:
    """Return a number exactly, so that a sum of units is rounded once."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigurationError(f"{name} must be a number, not {value!r}", parameter=name)
    if not math.isfinite(value):
        raise ConfigurationError(f"{name} must be finite, not {value!r}", parameter=name)
    if value < 0:
        raise ConfigurationError(f"{name} must not be negative, it is {value!r}", parameter=name)
    return Fraction(value)
