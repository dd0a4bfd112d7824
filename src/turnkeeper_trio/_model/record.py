"""The bases of the records that users read, and how any value is shown as plain JSON values."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from uuid import UUID

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import utc_pendulum

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(value: object) -> Any:
    """Return ``value`` as JSON values: instants as ISO 8601 UTC, durations in seconds, errors as three texts.

    A value with a method ``to_json`` is shown by it, a dataclass by its fields, any other value that JSON does not have
    by its ``repr``. The result is JSON whatever the value is, and nothing is raised: a value that cannot be shown, or
    that contains itself, is replaced by a text that says so, and one that is nested deeper than `_DEEPEST` by its
    ``repr``. JSON has no NaN and no infinity: these are the texts ``"nan"``, ``"inf"`` and ``"-inf"``.
    """
    return _plain(value, ())


def plain_fields(value: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass as JSON values, by name."""
    return _plain_fields(value, (id(value),))


_DEEPEST: Final = 100
"""How deep values are nested that are shown as JSON; deeper ones are shown by their ``repr``."""

_LONGEST_INTEGER: Final = 4096
"""Bits of the longest integer that is written as a number, because Python refuses to read or write very long ones."""

Above: TypeAlias = tuple[int, ...]
"""The ids of the values in which a value is nested, and its own."""


def _plain(value: object, above: Above) -> Any:
    if id(value) in above:
        return f"<{guard.type_name(value)} inside of itself>"
    if len(above) >= _DEEPEST:
        return guard.shown(value)
    made, error = guard.call(_shown, value, (*above, id(value)))
    return made if error is None else guard.shown(value)


def _shown(value: Any, above: Above) -> Any:
    for kind, show in _SHOWN.items():
        if guard.is_a(value, kind):
            return show(value, above)
    if not guard.is_a(value, type):
        to_json: Callable[[], Any] | None = getattr(value, "to_json", None)
        if to_json is not None:
            return _plain(to_json(), above)
        if is_dataclass(_class_of(value)):
            return _plain_fields(value, above)
    return guard.shown(value)


def _class_of(value: object) -> type:
    return type(value)


def _plain_fields(value: "DataclassInstance", above: Above) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name), above) for field in fields(value)}


def _plain_integer(value: int, above: Above) -> Any:
    del above
    value = int.__pos__(value)
    return value if value.bit_length() <= _LONGEST_INTEGER else f"<an integer of {value.bit_length()} bits>"


def _plain_number(value: float, above: Above) -> Any:
    del above
    value = float.__pos__(value)
    return value if math.isfinite(value) else repr(value)


def _plain_instant(value: datetime, above: Above) -> str:
    del above
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain_error(error: BaseException, above: Above) -> dict[str, str]:
    del above
    return {"type": guard.full_type_name(error), "message": guard.text(error), "traceback": guard.trace(error)}


def _plain_items(items: Any, above: Above) -> list[Any]:
    return [_plain(item, above) for item in items]


def _plain_mapping(mapping: Any, above: Above) -> dict[str, Any]:
    return {guard.text(key): _plain(item, above) for key, item in mapping.items()}


# The order matters: a StrEnum is also a string, and a bool is also an integer.
_SHOWN: Final[dict[type | tuple[type, ...], Callable[[Any, Above], Any]]] = {
    Enum: lambda value, above: _plain(value.value, above),
    (type(None), bool): lambda value, _: value,
    int: _plain_integer,
    float: _plain_number,
    (str, UUID): lambda value, _: guard.text(value),
    datetime: _plain_instant,
    timedelta: lambda value, _: timedelta.total_seconds(value),
    BaseException: _plain_error,
    Mapping: _plain_mapping,
    (list, tuple, set, frozenset): _plain_items,
}


def _shown_by_guard(self: object) -> str:
    # A function of Python, because a compiled one is not bound to the instance when it is made a method.
    return guard.fields_shown(self)


class Record:
    """A frozen value that users read."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Have the ``repr`` show what is the user's through the guard; ``@dataclass`` writes none over it."""
        type.__setattr__(cls, "__repr__", _shown_by_guard)

    def to_json(self: "DataclassInstance") -> dict[str, Any]:
        """Return the fields as plain JSON values, by name.

        Instants are texts (ISO 8601, UTC), durations are seconds. An error is a mapping of ``type``, ``message`` and
        ``traceback`` to texts.
        """
        return plain_fields(self)


class LazyRecord(Record):
    """A record whose fields may be set when they are read.

    The engine makes a record of each run, if anything wants one, and most of its fields are never read. To make them
    all costs five times as much as to note what they are made of.
    """

    __slots__ = ("_given",)

    if TYPE_CHECKING:
        _given: dict[str, Any]
        """What the fields are made of, as `unread` was given it. A record that its constructor made has none."""
    else:  # With this method any attribute would exist for type checkers.

        def __getattr__(self, name: str) -> object:
            """Set a field that is read for the first time. Called for an attribute that is not there, or not yet.

            Several threads may do this at once, and set equal values.
            """
            given = None if name == "_given" else getattr(self, "_given", None)
            if given is None or name not in given:
                return object.__getattribute__(self, name)
            value = given[name]
            if value is not None and name in _INSTANTS:
                value = utc_pendulum(value)
            _SET(self, name, value)
            return value


L = TypeVar("L", bound=LazyRecord)

_SET: Final[Callable[[object, str, object], None]] = object.__setattr__
"""Sets an attribute of a record, which is frozen."""

_INSTANTS: Final = frozenset(("at", "due_at", "finished_at", "next_run_time", "scheduled_at", "started_at"))
"""The fields that hold an instant, or ``None``. `unread` is given integers for them."""


def unread(kind: type[L], fields: dict[str, Any]) -> L:
    """Return a record with these fields, which are set when they are read. Instants are given as integers."""
    record = object.__new__(kind)
    _SET(record, "_given", fields)
    return record


def peek(record: LazyRecord, name: str) -> Any:
    """Return what a field is made of, or the field if there is nothing else; it stays unread."""
    given: dict[str, Any] | None = getattr(record, "_given", None)
    return getattr(record, name) if given is None else given[name]
