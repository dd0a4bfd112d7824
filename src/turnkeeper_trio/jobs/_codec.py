"""How the fields of a request are written as JSON values and read back, so that the request read is equal."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.policies import CatchUp, Overlap
from turnkeeper_trio.retries import ExponentialBackoff, FixedRetryDelay
from turnkeeper_trio.schedules._literals import instant_from_text, instant_text
from turnkeeper_trio.schedules.combined import part_from_json, part_to_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERSION: Final = 1
"""The version that is written, and the only one that is read."""

_CUSTOM: Final = "custom"


def encoded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields as JSON values."""
    return {name: _encoders.get(name, _as_it_is)(value) for name, value in values.items()}


def decoded(data: object, names: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the values that `encoded` wrote, and the names of those that the user had given.

    Raises:
        ConfigurationError: ``data`` was not written by `RecurringJobRequest.to_json`, is of a different version, or
            has a schedule or a retry policy of a user's class, which cannot be read back.
    """
    if not guard.is_a(data, dict):
        raise _error(f"data must be the dict that to_json() returned, not {guard.shown(data)}")
    values = dict(cast("dict[str, Any]", data))
    version, given = values.pop("version", None), values.pop("given", None)
    if version is True or version != VERSION:
        raise _error(f"version {guard.shown(version)} of a request is not known here, only {VERSION}")
    if not guard.is_a(given, list) or not names.issuperset(cast("list[str]", given)) or not names >= values.keys():
        raise _error("data is not what to_json() writes for a request")
    try:
        return {name: _decoders.get(name, _as_it_is)(value) for name, value in values.items()}, frozenset(given)
    except ConfigurationError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        error = _error(f"data is not what to_json() writes for a request: {guard.raised(exc)}")
        raise guard.caused(error, exc) from exc


def _error(message: str) -> ConfigurationError:
    return ConfigurationError(message, parameter="data")


def _as_it_is(value: Any) -> Any:
    return value


def _from_time(value: Any) -> Any:
    """Return a ``timedelta`` as microseconds, an instant as text, infinity as ``"inf"``, and a number as it is."""
    if value == math.inf:
        return "inf"
    if guard.is_a(value, timedelta):
        return {"microseconds": value // timedelta(microseconds=1)}
    return instant_text(instant_us(value)) if guard.is_a(value, datetime) else value


def _to_time(value: Any) -> Any:
    if guard.is_a(value, dict):
        return timedelta(microseconds=value["microseconds"])
    if value == "inf":
        return math.inf
    return instant_from_text(value) if guard.is_a(value, str) else value


def _from_policy(policy: Any) -> Any:
    for kind, cls in _POLICIES.items():
        if guard.is_a(policy, cls):
            values = {each.name: getattr(policy, each.name) for each in fields(cast("DataclassInstance", policy))}
            return {"kind": kind, **{name.lstrip("_"): _from_time(value) for name, value in values.items()}}
    return None if policy is None else {"kind": _CUSTOM, "repr": guard.shown(policy)}


def _to_policy(data: Any) -> Any:
    if data is None:
        return None
    kind = data["kind"]
    if kind == _CUSTOM:
        raise _error(f"a retry policy of one's own cannot be read from JSON: {data.get('repr')}")
    values = {name: _to_time(value) for name, value in data.items() if name != "kind"}
    if kind == "fixed":
        return FixedRetryDelay(values["wait"], values["jitter"])
    return _POLICIES[kind](**values)


_POLICIES: Final[dict[str, type]] = {"exponential": ExponentialBackoff, "fixed": FixedRetryDelay}

_TIMES: Final = ("initial_run_time", "timeout", "cleanup_grace", "stuck_after", "start_deadline", "jitter", "until")

_encoders: Final[dict[str, Callable[[Any], Any]]] = {
    "schedule": part_to_json,
    "retry": _from_policy,
    "overlap": lambda value: value.value,
    "catch_up": lambda value: value.value,
    "tags": list,
    **dict.fromkeys(_TIMES, _from_time),
}

_decoders: Final[dict[str, Callable[[Any], Any]]] = {
    "schedule": part_from_json,
    "retry": _to_policy,
    "overlap": Overlap,
    "catch_up": CatchUp,
    "tags": tuple,
    **dict.fromkeys(_TIMES, _to_time),
}
