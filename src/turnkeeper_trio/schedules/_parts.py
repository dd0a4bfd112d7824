"""What combinations ask of their parts, which may be schedules of a user."""

from collections.abc import Iterable
from typing import Any, Final, cast

from turnkeeper_trio._model import guard
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._asking import schedule
from turnkeeper_trio.schedules._base import BuiltinSchedule, schedule_from_json
from turnkeeper_trio.schedules.intervals import FixedDelay

NO_LIMIT: Final = 1 << 62
"""More than can be listed."""

_CUSTOM: Final = "custom"


def part(name: str, value: object) -> Schedule:
    """Return ``value`` if it can be part of a combination.

    Raises:
        ConfigurationError: It is no schedule, or a `FixedDelay`.
    """
    if guard.is_a(value, FixedDelay):
        raise ConfigurationError(
            f"{name} must not be {value!r}: it is counted from the end of each run, so it cannot be combined; "
            f"write Interval(…)",
            parameter=name,
        )
    return schedule(name, value)


def zones_of(parts: Iterable[Schedule]) -> frozenset[str]:
    """Return the zones whose wall clock the parts read; a user's schedule is taken to read none."""
    return frozenset[str]().union(
        *(cast("BuiltinSchedule", each).zones for each in parts if guard.is_a(each, BuiltinSchedule))
    )


def part_to_json(value: Schedule) -> Any:
    """Return a part as JSON values; a user's schedule by its ``repr``, which shows it but does not bring it back."""
    if guard.is_a(value, BuiltinSchedule):
        return cast("BuiltinSchedule", value).to_json()
    return {"kind": _CUSTOM, "repr": guard.shown(value)}


def part_from_json(data: Any) -> Schedule:
    """Return the part that `part_to_json` wrote.

    Raises:
        ConfigurationError: It was a user's schedule.
    """
    if isinstance(data, dict) and data.get("kind") == _CUSTOM:  # pyright: ignore[reportUnknownMemberType]
        shown: object = data.get("repr")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise ConfigurationError(f"a schedule of one's own cannot be read from JSON: {shown}", parameter="data")
    return schedule_from_json(data)
