"""Values as the code that makes them, and as JSON; and times of day in microseconds since midnight."""

from datetime import UTC, date, datetime, time
from typing import Any

from turnkeeper_trio._model.instants import MICROSECONDS, instant_us, utc_datetime
from turnkeeper_trio.errors import ConfigurationError


def time_us(name: str, value: object) -> int:
    """Return a wall-clock time of day in microseconds since midnight.

    Raises:
        ConfigurationError: It is no ``datetime.time``, has an offset, or asks for a second pass.
    """
    if not isinstance(value, time):
        raise ConfigurationError(f"{name} must hold times, such as time(9, 30), not {value!r}", parameter=name)
    if value.tzinfo is not None:
        raise ConfigurationError(
            f"{name} must hold times without a zone, not {value!r}: the zone is the schedule's, timezone=…",
            parameter=name,
        )
    if value.fold:
        raise ConfigurationError(
            f"{name} must hold times without fold, not {value!r}: a time shown twice happens the first time",
            parameter=name,
        )
    return ((value.hour * 60 + value.minute) * 60 + value.second) * MICROSECONDS + value.microsecond


def us_time(us: int) -> time:
    """Return the time of day that is ``us`` after midnight."""
    seconds, micro = divmod(us, MICROSECONDS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return time(hour, minute, second, micro)


def time_code(value: time) -> str:
    """Return the code that makes a time of day."""
    parts = [value.hour, value.minute, value.second, value.microsecond]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return f"time({', '.join(map(str, parts))})"


def time_from_text(text: Any) -> time:
    """Return the time of day that JSON has as ``"09:30:00"``."""
    return time.fromisoformat(text)


def date_code(value: date) -> str:
    """Return the code that makes a date."""
    return f"date({value.year}, {value.month}, {value.day})"


def instant_code(at: int, zone: Any = None) -> str:
    """Return the code that makes an aware datetime, in the zone given or in UTC."""
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
    """Return an instant as JSON has it: ISO 8601 in UTC."""
    return utc_datetime(at).isoformat().replace("+00:00", "Z")


def instant_from_text(text: Any) -> datetime:
    """Return the instant that `instant_text` wrote."""
    when = datetime.fromisoformat(text)
    instant_us(when)  # refuses a naive one
    return when.astimezone(UTC)
