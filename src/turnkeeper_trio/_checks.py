"""Checks of what a user hands in: each raises at the call where the mistake was made, and names the parameter."""

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from turnkeeper_trio._model.instants import MICROSECONDS, duration_us, instant_us
from turnkeeper_trio.errors import ConfigurationError

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

LONGEST: Final = 10_000 * 366 * 86_400 * MICROSECONDS
"""No duration longer than the calendar has a meaning here."""


def instance(name: str, value: object, kind: type[T], example: str) -> T:
    """Return ``value`` if it is of a kind; ``example`` says what to write instead.

    A class is not one of its instances, though it has their methods, which is all that a protocol looks at.
    """
    if isinstance(value, type) or not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be {example}, not {value!r}", parameter=name)
    return value


def integer(name: str, value: object, *, least: int | None = None) -> int:
    """Return ``value`` if it is an integer, and at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ConfigurationError(f"{name} must be an integer{bound}, not {value!r}", parameter=name)
    return value


def number(name: str, value: object, *, least: float, most: float) -> float:
    """Return ``value`` if it is a number from ``least`` to ``most``."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}", parameter=name)
    return value


def duration(name: str, value: object, *, least: int = 0) -> int:
    """Return ``value`` (seconds, or a ``timedelta``) in microseconds, if finite and at least ``least`` microseconds."""
    if isinstance(value, timedelta) or (isinstance(value, int | float) and not isinstance(value, bool)):
        try:
            us = duration_us(value)
        except (OverflowError, ValueError):
            raise ConfigurationError(f"{name} must be finite, not {value!r}", parameter=name) from None
        if us > LONGEST:
            raise ConfigurationError(f"{name} is longer than the calendar: {value!r}", parameter=name)
        if us < least:
            floor = "negative" if least == 0 else f"less than {least / 1_000_000:g} s"
            raise ConfigurationError(f"{name} must not be {floor}, it is {value!r}", parameter=name)
        return us
    raise ConfigurationError(f"{name} must be seconds (a number) or a timedelta, not {value!r}", parameter=name)


def optional_duration(name: str, value: object, *, least: int = 0) -> int | None:
    """Return ``None`` for ``None``, else as `duration`."""
    return None if value is None else duration(name, value, least=least)


def limit(name: str, value: object, *, least: int = 0) -> int | None:
    """Return ``None``, which is without limit, for ``None`` and for ``math.inf``, else as `duration`."""
    return None if isinstance(value, float) and value == math.inf else optional_duration(name, value, least=least)


def patience(name: str, value: object) -> int:
    """Return a duration in microseconds, where ``math.inf`` is the longest there is."""
    return LONGEST if isinstance(value, float) and value == math.inf else duration(name, value)


def instant(name: str, value: object) -> int:
    """Return an aware datetime in microseconds since the epoch."""
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{name} must be a datetime with a timezone, not {value!r}", parameter=name)
    try:
        return instant_us(value)
    except ValueError:
        raise ConfigurationError(
            f"{name} must have a timezone: {value!r} names no instant; "
            f"write datetime(..., tzinfo=ZoneInfo('Europe/Berlin')) or tzinfo=UTC",
            parameter=name,
        ) from None


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {value!r}", parameter=name)
    return value


def text(name: str, value: object) -> str:
    """Return ``value`` if it is a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} must be a string that is not blank, not {value!r}", parameter=name)
    return value


def member(name: str, value: object, kind: type[E]) -> E:
    """Return ``value`` as a member of the enumeration ``kind``."""
    if isinstance(value, kind):
        return value
    choices = ", ".join(f"{kind.__name__}.{each.name}" for each in kind)
    raise ConfigurationError(f"{name} must be one of {choices}, not {value!r}", parameter=name)
