"""How the fields of a request are written as JSON values and read back, so that the request read is equal."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from turnkeeper_trio._kinds import Kinds, by_kind
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import pendulum
from turnkeeper_trio._model.times import duration_from_json, duration_to_json, instant_us
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.policies import CatchUp, OnCrash, Overlap
from turnkeeper_trio.retries import read_retry, retry_kinds, written_retry
from turnkeeper_trio.schedules._base import read_schedule, schedule_kinds, written_schedule
from turnkeeper_trio.schedules._literals import instant_from_text, instant_text

VERSION: Final = 1
"""The version that is written, and the only one that is read."""


def checked_kinds(name: str, classes: Any) -> Kinds:
    """Return a user's classes of schedules and retry policies by their kind.

    Raises:
        ConfigurationError: One of them cannot be written and read back, or its kind is taken.
    """
    return by_kind(name, classes, schedule_kinds() | retry_kinds())


def encoded(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields as JSON values, without those that are the default of their field."""
    return {
        name: _encoders.get(name, _as_it_is)(value)
        for name, value in values.items()
        if name not in defaults or not _is_default(value, defaults[name])
    }


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and guard.equal(value, default))


def decoded(data: object, names: frozenset[str], kinds: Kinds) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the values that `encoded` wrote, and the names of those that the user had given.

    Raises:
        ConfigurationError: ``data`` was not written by `RecurringJobRequest.to_json`, is of a different version, or
            has a schedule or a retry policy of a class that is not among ``kinds``.
    """
    if not guard.is_a(data, dict):
        raise _error(f"data must be the dict that to_json() returned, not {guard.shown(data)}")
    values = dict(cast("dict[str, Any]", data))
    version, given = values.pop("v", None), values.pop("given", [])
    if version is True or version != VERSION:
        raise _error(f"version {guard.shown(version)} of a request is not known here, only {VERSION}")
    if not guard.is_a(given, list) or not names.issuperset(cast("list[str]", given)) or not names >= values.keys():
        raise _error("data is not what to_json() writes for a request")
    try:
        read = {name: decoded_field(name, value, kinds) for name, value in values.items()}
    except ConfigurationError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        error = _error(f"data is not what to_json() writes for a request: {guard.raised(exc)}")
        raise guard.caused(error, exc) from exc
    return read, frozenset(given).union(values)


def decoded_field(name: str, data: Any, kinds: Kinds) -> Any:
    """Return the value of a field from what `encoded` wrote."""
    if name == "schedule":
        return read_schedule(data, kinds)
    if name == "retry":
        return None if data is None else read_retry(data, kinds)
    return _decoders.get(name, _as_it_is)(data)


def _error(message: str) -> ConfigurationError:
    return ConfigurationError(message, parameter="data")


def _as_it_is(value: Any) -> Any:
    return value


def _from_instant(value: Any) -> Any:
    """Return an instant as JSON values, and a delay as `duration_to_json` writes it.

    A datetime of a zone is written as its label, its ``fold`` and the name of the zone. The same instant in a different
    zone would not be equal to it in an hour that a clock change repeats.
    """
    if not guard.is_a(value, datetime):
        return duration_to_json(value)
    when = cast("datetime", value)
    zone = when.tzinfo
    key = cast("ZoneInfo", zone).key if guard.is_a(zone, ZoneInfo) else None
    if type(key) is not str or key == "UTC":
        return instant_text(instant_us(when))
    label = datetime(when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond)  # noqa: DTZ001  (a label)
    written: dict[str, Any] = {"label": label.isoformat(), "zone": key}
    if when.fold:
        written["fold"] = 1
    if type(zone) is not ZoneInfo and guard.is_a(zone, pendulum.Timezone):
        written["pendulum"] = True
    return written


def _to_instant(data: Any) -> Any:
    if isinstance(data, str):
        return instant_from_text(data)
    if not isinstance(data, dict) or "label" not in data:
        return duration_from_json(data)
    written = cast("dict[str, Any]", data)
    label = datetime.fromisoformat(written["label"])
    of_pendulum = written.get("pendulum", False)
    kind = pendulum.DateTime if of_pendulum else datetime
    key: str = written["zone"]
    zone = cast("tzinfo", pendulum.timezone(key)) if of_pendulum else ZoneInfo(key)
    return kind(
        label.year,
        label.month,
        label.day,
        label.hour,
        label.minute,
        label.second,
        label.microsecond,
        tzinfo=zone,
        fold=written.get("fold", 0),
    )


_DURATIONS: Final = ("timeout", "cleanup_grace", "stuck_after", "start_deadline", "jitter")
_INSTANTS: Final = ("initial_run_time", "until")

_encoders: Final[dict[str, Callable[[Any], Any]]] = {
    "schedule": written_schedule,
    "retry": lambda value: None if value is None else written_retry(value),
    "overlap": lambda value: value.value,
    "catch_up": lambda value: value.value,
    "on_crash": lambda value: value.value,
    "tags": list,
    **dict.fromkeys(_DURATIONS, duration_to_json),
    **dict.fromkeys(_INSTANTS, _from_instant),
}

_decoders: Final[dict[str, Callable[[Any], Any]]] = {
    "overlap": Overlap,
    "catch_up": CatchUp,
    "on_crash": OnCrash,
    "tags": tuple,
    **dict.fromkeys(_DURATIONS, duration_from_json),
    **dict.fromkeys(_INSTANTS, _to_instant),
}
