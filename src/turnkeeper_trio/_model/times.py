"""Instants and durations as integers, and how they are converted from and to those of users.

Inside the library an instant is a whole number of microseconds since 1970-01-01 00:00 UTC, and a duration a whole
number of microseconds. Integers compare, hash and subtract exactly. A ``pendulum.DateTime`` does not: the two passes
of an overlap hour compare equal. So the library accepts it and returns it, but does not calculate with it.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from turnkeeper_trio._model.deferred import datetime_and_utc, pendulum

MICROSECONDS: Final = 1_000_000
"""Microseconds in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)

MAX_INSTANT: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The last instant that a ``datetime`` can show: 9999-12-31 23:59:59.999999 UTC."""

MIN_INSTANT: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The first instant that a ``datetime`` can show: 0001-01-01 00:00 UTC."""


def instant_us(when: datetime) -> int:
    """Return the instant of an aware datetime, in microseconds since the epoch.

    It is calculated from the fields and from ``utcoffset()``, which respects ``fold``. Datetimes are not subtracted,
    because subtraction ignores the offset when both sides share a zone, and pendulum returns its own kind of duration.

    Raises:
        ValueError: ``when`` is naive.
    """
    offset = when.utcoffset()
    if offset is None:
        msg = f"{when!r} has no timezone, so it names no instant"
        raise ValueError(msg)
    days = when.toordinal() - _EPOCH_ORDINAL
    seconds = ((days * 24 + when.hour) * 60 + when.minute) * 60 + when.second
    return seconds * MICROSECONDS + when.microsecond - offset // _MICROSECOND


def utc_datetime(us: int) -> datetime:
    """Return an instant as a standard ``datetime`` in UTC."""
    return _EPOCH + timedelta(microseconds=us)


def utc_pendulum(us: int) -> "pendulum.DateTime":
    """Return an instant as a ``pendulum.DateTime`` in UTC."""
    at = _EPOCH + timedelta(microseconds=us)
    kind, utc = datetime_and_utc()
    return kind(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=utc)


def duration_us(duration: float | timedelta) -> int:
    """Return a duration, given in seconds or as a ``timedelta``, in microseconds, rounded to the nearest."""
    if isinstance(duration, timedelta):
        # pendulum's Duration is a timedelta, but its own floor division does not accept a plain timedelta.
        return timedelta.__floordiv__(duration, _MICROSECOND)
    return round(duration * MICROSECONDS)


def seconds(us: int) -> float:
    """Return a duration, given in microseconds, in seconds."""
    return us / MICROSECONDS


def duration_to_json(duration: float | timedelta | None) -> Any:
    """Return a duration as a JSON value that `duration_from_json` reads as an equal duration of the same type.

    A number is seconds, and is written as it is; infinity, for which JSON has no number, as ``"inf"``.
    """
    if isinstance(duration, timedelta):
        return {"microseconds": duration_us(duration)}
    if isinstance(duration, int):
        return int.__int__(duration)
    if isinstance(duration, float):
        return "inf" if duration == math.inf else float.__float__(duration)
    return None


def duration_from_json(data: Any) -> float | timedelta | None:
    """Return the duration that `duration_to_json` wrote.

    Raises:
        ValueError: ``data`` is none.
        LookupError: ``data`` is none.
        TypeError: ``data`` is none.
    """
    if isinstance(data, dict):
        return timedelta(microseconds=data["microseconds"])  # pyright: ignore[reportUnknownArgumentType]  (JSON)
    if isinstance(data, str):
        if data != "inf":
            raise ValueError(f"{data!r} is no duration")
        return math.inf
    return cast("float | None", data)


NEVER: Final = 1 << 63
"""An instant later than any other: it stands for "not planned"."""


class Now(NamedTuple):
    """One reading of both clocks, in microseconds."""

    wall: int
    """The wall time, since 1970-01-01 00:00 UTC. It can step. Instants of schedules are compared with it."""

    loop: int
    """The time of the event loop. It never steps. Delays and durations are measured with it."""
