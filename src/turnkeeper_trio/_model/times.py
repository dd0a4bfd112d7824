"""Instants and durations as integers, and their way in and out.

Inside the library an instant is a whole number of microseconds since 1970-01-01 00:00 UTC, and a duration a whole
number of microseconds. Integers compare, hash and subtract exactly; a ``pendulum.DateTime`` does not (the two passes
of an overlap hour compare equal). It is accepted on the way in, built on the way out, and never used between.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import pendulum

MICROSECONDS: Final = 1_000_000
"""Microseconds in a second."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_EPOCH_ORDINAL = _EPOCH.toordinal()


_MICROSECOND = timedelta(microseconds=1)


MAX_INSTANT: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The last instant a ``datetime`` can show: 9999-12-31 23:59:59.999999 UTC."""


MIN_INSTANT: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The first instant a ``datetime`` can show: 0001-01-01 00:00 UTC."""


def instant_us(when: datetime) -> int:
    """Return the instant of an aware datetime, in microseconds since the epoch.

    Reads the wall fields and ``utcoffset()`` (which honours ``fold``) instead of subtracting datetimes: subtraction
    ignores the offset when both sides share a zone, and a pendulum value answers with an object of its own.

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


def utc_pendulum(us: int) -> pendulum.DateTime:
    """Return an instant as a ``pendulum.DateTime`` in UTC."""
    at = _EPOCH + timedelta(microseconds=us)
    return pendulum.DateTime(
        at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=pendulum.UTC
    )


def duration_us(duration: float | timedelta) -> int:
    """Return a duration, given in seconds or as a ``timedelta``, in microseconds, rounded to the nearest."""
    if isinstance(duration, timedelta):
        # pendulum's Duration is a timedelta, with a floor division of its own that knows only its like.
        return timedelta.__floordiv__(duration, _MICROSECOND)
    return round(duration * MICROSECONDS)


def seconds(us: int) -> float:
    """Return a duration in seconds."""
    return us / MICROSECONDS


NEVER: Final = 1 << 63
"""An instant later than any."""


class Now(NamedTuple):
    """One reading of both clocks, in microseconds."""

    wall: int
    """Since 1970-01-01 00:00 UTC. It can step: instants of schedules are compared with it."""

    loop: int
    """Of the event loop; it never steps: delays and durations are measured with it."""
