"""What every record can do: show itself as plain JSON values, and let go of what a failed job's frames hold."""

import dis
import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

from turnkeeper_trio._model import guard

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(value: object) -> Any:
    """Return ``value`` as JSON values: instants as ISO 8601 UTC, durations in seconds, errors as three texts.

    What knows how to show itself (``to_json``) does; what is nothing of the kind is shown by its ``repr``. It is JSON
    whatever the value is, and never raises: what cannot be shown is told so in its place, as is what holds itself or
    lies deeper than `_DEEPEST`. JSON has no NaN and no infinity: these are the texts ``"nan"``, ``"inf"`` and
    ``"-inf"``.
    """
    return _plain(value, ())


def plain_fields(value: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass as JSON values, by name."""
    return _plain_fields(value, (id(value),))


_DEEPEST: Final = 100
"""So many values inside of one another are shown; what lies deeper is shown by its ``repr``."""

_LONGEST_INTEGER: Final = 4096
"""Bits of the longest integer that is written as a number: Python itself refuses to read or write very long ones."""

Above: TypeAlias = tuple[int, ...]
"""The ids of the values that a value lies in, itself included."""


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


# In this order: a StrEnum is a string too, a bool is an integer.
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


class Record:
    """A frozen value that users read."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Have the ``repr`` show what is the user's through the guard; ``@dataclass`` writes none over it."""
        type.__setattr__(cls, "__repr__", guard.fields_shown)

    def to_json(self: "DataclassInstance") -> dict[str, Any]:
        """Return the fields as plain JSON values: instants ISO 8601 in UTC, durations in seconds, errors as text."""
        return plain_fields(self)


def forget_locals(error: BaseException | None) -> None:
    """Clear the local variables of every frame that ``error`` and what it chains to keep alive; the text stays.

    A stored traceback otherwise keeps each local of each frame (a large result, a connection) for as long as itself.
    So do the frames from which those were called, the library's own among them, which hold the arguments of the job: a
    frame that has ended keeps the one that called it. An `AttributeError` keeps the object that it was looked up on.

    Frames that may go on are left alone: an error that a background task caught, and handed to the job, shows that
    task's frame, and before Python 3.13 to clear the frame of a suspended coroutine is to close it.
    """
    seen: set[int] = set()
    todo = [] if error is None else [error]
    while todo:
        exc = todo.pop()
        if id(exc) in seen:
            continue
        seen.add(id(exc))
        for frame, _ in traceback.walk_tb(guard.traceback_of(exc)):
            _clear(frame, seen)
        if guard.is_a(exc, AttributeError):
            guard.assign(exc, "obj", None)
        todo += guard.chained(exc)


def _clear(frame: FrameType | None, seen: set[int]) -> None:
    """Clear a frame, and those it was called from up to the first that goes on."""
    while frame is not None and id(frame) not in seen and not _may_be_suspended(frame):
        caller = frame.f_back
        try:
            frame.clear()
        except RuntimeError:
            return  # It is being executed, or (since Python 3.13) suspended.
        seen.add(id(frame))
        frame = caller


_RESUMABLE: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_YIELD: Final = dis.opmap["YIELD_VALUE"]


def _may_be_suspended(frame: FrameType) -> bool:
    """Return whether a frame stands where a generator or coroutine waits to be resumed; one that ended rarely does.

    While it waits it has no caller. (In Python 3.11 it has none when it has ended, either.)
    """
    code = frame.f_code
    return bool(code.co_flags & _RESUMABLE) and frame.f_back is None and code.co_code[frame.f_lasti] == _YIELD
