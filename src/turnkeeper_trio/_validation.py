"""Checks of the values that users pass: each function raises `ConfigurationError`, which names the parameter.

Integers and strings are returned as plain ``int`` and ``str``. An instance of a subclass is a user's object, whose
comparison may do anything, and the engine compares these values.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MICROSECONDS, duration_us, instant_us
from turnkeeper_trio.errors import ConfigurationError

E = TypeVar("E", bound=StrEnum)


T = TypeVar("T")


LARGEST: Final = (1 << 63) - 1
"""No larger number counts anything; nor can Python write one of thousands of digits, nor a database keep it."""


LONGEST: Final = 10_000 * 366 * 86_400 * MICROSECONDS
"""Microseconds of the longest duration that is accepted: it is longer than the calendar."""


def instance(name: str, value: object, kind: type[T], example: str) -> T:
    """Return ``value`` if it is an instance of ``kind``; ``example`` says what to write instead.

    A class is refused, although a protocol would accept it, because it has the methods of its instances.
    """
    # The instance is checked and not its type, because an instance may meet a protocol by its own attributes.
    is_one = type(value) is kind or (not guard.is_a(value, type) and guard.call(isinstance, value, kind)[0])
    if not is_one:
        raise ConfigurationError(f"{name} must be {example}, not {guard.shown(value)}", parameter=name)
    return cast("T", value)


def integer(name: str, value: object, *, least: int | None = None) -> int:
    """Return ``value`` if it is an integer, and at least ``least``."""
    number = value if type(value) is int else _plain_int(value)
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise ConfigurationError(f"{name} must be an integer{bound}, not {guard.shown(value)}", parameter=name)
    if abs(number) > LARGEST:
        raise ConfigurationError(f"{name} must be an integer of less than 64 bits", parameter=name)
    return number


def _plain_int(value: object) -> int | None:
    return int.__int__(cast("int", value)) if guard.is_a(value, int) and not guard.is_a(value, bool) else None


def number(name: str, value: object, *, least: float, most: float) -> float:
    """Return ``value`` if it is a number from ``least`` to ``most``."""
    plain = _plain_number(value)
    if plain is None or not least <= plain <= most:
        message = f"{name} must be a number from {least:g} to {most:g}, not {guard.shown(value)}"
        raise ConfigurationError(message, parameter=name)
    return plain


def _plain_number(value: object) -> float | None:
    return float.__float__(cast("float", value)) if guard.is_a(value, float) else _plain_int(value)


def duration(name: str, value: object, *, least: int = 0) -> int:
    """Return ``value`` (seconds or a ``timedelta``) in microseconds; it must be finite and at least ``least``."""
    plain = cast("timedelta", value) if guard.is_a(value, timedelta) else _plain_number(value)
    if plain is not None:
        try:
            us = duration_us(plain)
        except (OverflowError, ValueError):
            error = ConfigurationError(f"{name} must be finite, not {guard.shown(value)}", parameter=name)
            raise guard.caused(error, None) from None
        if us > LONGEST:
            raise ConfigurationError(f"{name} is longer than the calendar: {guard.shown(value)}", parameter=name)
        if us < least:
            rule = f"be at least {least / 1_000_000:g} s, or None for no limit" if least else "not be negative"
            raise ConfigurationError(f"{name} must {rule}, it is {guard.shown(value)}", parameter=name)
        return us
    message = f"{name} must be seconds (a number) or a timedelta, not {guard.shown(value)}"
    raise ConfigurationError(message, parameter=name)


def optional_duration(name: str, value: object, *, least: int = 0) -> int | None:
    """Return ``None`` for ``None``, and otherwise what `duration` returns."""
    return None if value is None else duration(name, value, least=least)


def limit(name: str, value: object, *, least: int = 0) -> int | None:
    """Return ``None`` for ``None`` and ``math.inf``, which both mean no limit; otherwise what `duration` returns."""
    return None if _plain_number(value) == math.inf else optional_duration(name, value, least=least)


def duration_or_inf(name: str, value: object) -> int:
    """Return a duration in microseconds; for ``math.inf`` the longest one (`LONGEST`)."""
    return LONGEST if _plain_number(value) == math.inf else duration(name, value)


def instant(name: str, value: object) -> int:
    """Return the instant of an aware datetime, in microseconds since the epoch."""
    if not guard.is_a(value, datetime):
        raise ConfigurationError(f"{name} must be a datetime with a timezone, not {guard.shown(value)}", parameter=name)
    us, fault = guard.call(instant_us, cast("datetime", value))
    if us is None:
        naive = guard.is_a(fault, ValueError)
        why = "" if naive else f" (its timezone raises {guard.type_name(fault)})"
        error = ConfigurationError(
            f"{name} must have a timezone: {guard.shown(value)} names no instant{why}; "
            f"write datetime(..., tzinfo=ZoneInfo('Europe/Berlin')) or tzinfo=UTC",
            parameter=name,
        )
        cause = None if naive else fault
        raise guard.caused(error, cause) from cause
    return us


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is ``True`` or ``False``."""
    if value is not True and value is not False:
        raise ConfigurationError(f"{name} must be True or False, not {guard.shown(value)}", parameter=name)
    return value


def text(name: str, value: object) -> str:
    """Return ``value`` if it is a string that is not blank."""
    plain = value if type(value) is str else str.__str__(cast("str", value)) if guard.is_a(value, str) else ""
    if not plain.strip():
        raise ConfigurationError(f"{name} must be a string that is not blank, not {guard.shown(value)}", parameter=name)
    return plain


def words(name: str, value: object) -> str:
    """Return ``value`` if it is a string, which may be empty."""
    if not guard.is_a(value, str):
        raise ConfigurationError(f"{name} must be a string, not {guard.shown(value)}", parameter=name)
    return str.__str__(cast("str", value))


def key(name: str, value: object) -> str:
    """Return ``value`` if it can be the key of a job: a string that is not blank, and that can be written in UTF-8."""
    plain = text(name, value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        message = f"{name} must be a text that can be written in UTF-8, not {guard.shown(value)}"
        raise guard.caused(ConfigurationError(message, parameter=name), None) from None
    return plain


def job(name: str, value: object) -> UUID | str:
    """Return ``value`` if it can name a job: an id, a key, or an id as text. The engine finds out which it is."""
    if type(value) is UUID:
        return value
    if guard.is_a(value, UUID):
        return UUID(int=cast("UUID", value).int)
    if not guard.is_a(value, str):
        message = f"{name} must be the id of a job or its key, not {guard.shown(value)}"
        raise ConfigurationError(message, parameter=name)
    return key(name, value)


def run(name: str, value: object) -> UUID:
    """Return the id of a run; a text is parsed."""
    if guard.is_a(value, UUID):
        return UUID(int=cast("UUID", value).int)
    parsed = parsed_id(words(name, value)) if guard.is_a(value, str) else None
    if parsed is None:
        raise ConfigurationError(f"{name} must be the id of a run, not {guard.shown(value)}", parameter=name)
    return parsed


def parsed_id(plain: str) -> UUID | None:
    """Return the id that a text represents; ``None`` if it represents none."""
    try:
        return UUID(plain)
    except ValueError:
        return None


def member(name: str, value: object, kind: type[E]) -> E:
    """Return ``value`` as a member of the enumeration ``kind``."""
    if type(value) is kind:
        return value
    choices = ", ".join(f"{kind.__name__}.{each.name}" for each in kind)
    raise ConfigurationError(f"{name} must be one of {choices}, not {guard.shown(value)}", parameter=name)


def several(name: str, value: object, example: str) -> tuple[object, ...]:
    """Return the items of ``value``. A string is not accepted as its letters, nor a mapping as its keys."""
    return tuple(iterable(name, value, example))


def iterable(name: str, value: object, example: str) -> Iterable[object]:
    """Return ``value`` if it has items, as `several` accepts it."""
    if guard.is_a(value, (str, bytes, Mapping, type)) or not guard.is_a(value, Iterable):
        raise ConfigurationError(f"{name} must be several {example}, not {guard.shown(value)}", parameter=name)
    return cast("Iterable[object]", value)


def members(name: str, value: object, kind: type[E]) -> frozenset[E]:
    """Return the items of ``value``, each as a member of the enumeration ``kind``."""
    example = f"of {kind.__name__}, such as [{kind.__name__}.{next(iter(kind)).name}]"
    return frozenset(member(name, item, kind) for item in several(name, value, example))


def texts(name: str, value: object, example: str) -> tuple[str, ...]:
    """Return the items of ``value``, each a string that is not blank."""
    return tuple(text(name, item) for item in several(name, value, f"strings, such as {example}"))


def arguments(name: str, value: object) -> tuple[Any, ...]:
    """Return the positional arguments of a function as a tuple."""
    if not guard.is_a(value, (tuple, list)):
        message = f"{name} must be a tuple of arguments, such as (1, 'two'), not {guard.shown(value)}"
        raise ConfigurationError(message, parameter=name)
    return tuple(cast("Collection[Any]", value))


def keywords(name: str, value: object) -> dict[str, Any]:
    """Return a copy of the keyword arguments of a function, whose names must be strings."""
    items = dict(cast("Mapping[object, Any]", value)) if guard.is_a(value, Mapping) else None
    if items is None or not all(guard.is_a(each, str) for each in items):
        message = f"{name} must be a mapping of names to values, such as {{'name': 1}}, not {guard.shown(value)}"
        raise ConfigurationError(message, parameter=name)
    return cast("dict[str, Any]", items)
