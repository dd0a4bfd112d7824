"""What every record can do: show itself as plain JSON values."""

import dis
import inspect
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(value: object) -> Any:
    """Return ``value`` as JSON values: instants as ISO 8601 UTC, durations in seconds, errors as three texts.

    What knows how to show itself (``to_json``) does; what is nothing of the kind is shown by its ``repr``.
    """
    for kind, show in _SHOWN.items():
        if isinstance(value, kind):
            return show(value)
    to_json: Callable[[], Any] | None = getattr(value, "to_json", None)
    if to_json is not None:
        return to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return plain_fields(value)
    return repr(value)


def plain_fields(value: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass as JSON values, by name."""
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}


def _plain_error(error: BaseException) -> dict[str, str]:
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _plain_items(items: Any) -> list[Any]:
    return [plain(item) for item in items]


def _plain_mapping(mapping: Any) -> dict[str, Any]:
    return {str(key): plain(item) for key, item in mapping.items()}


# In this order: a StrEnum is a string too, a bool is an integer.
_SHOWN: Final[dict[type | tuple[type, ...], Callable[[Any], Any]]] = {
    Enum: lambda value: plain(value.value),
    (type(None), bool, int, float): lambda value: value,
    (str, UUID): str,
    datetime: lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    timedelta: timedelta.total_seconds,
    BaseException: _plain_error,
    Mapping: _plain_mapping,
    (list, tuple, set, frozenset): _plain_items,
}


class Record:
    """A frozen value that users read."""

    __slots__ = ()

    def to_json(self: "DataclassInstance") -> dict[str, Any]:
        """Return the fields as plain JSON values: instants ISO 8601 in UTC, durations in seconds, errors as text."""
        return plain_fields(self)


def described(error: BaseException) -> str:
    """Return the kind and the text of an error, whatever its own methods do."""
    return "".join(traceback.format_exception_only(error)).rstrip()


def forget_locals(error: BaseException | None) -> None:
    """Clear the local variables of every frame that ``error`` and what it chains to keep alive; the text stays.

    A stored traceback otherwise keeps each local of each frame (a large result, a connection) for as long as itself.
    Frames that may go on are left alone: an error that a background task caught, and handed to the job, shows that
    task's frame, and before Python 3.13 to clear the frame of a suspended coroutine is to close it.
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        exc = todo.pop()
        if exc is None or id(exc) in seen:
            continue
        seen.add(id(exc))
        for frame, _ in traceback.walk_tb(exc.__traceback__):
            if not _may_be_suspended(frame):
                with suppress(RuntimeError):  # It is being executed.
                    frame.clear()
        todo += (exc.__cause__, exc.__context__)
        if isinstance(exc, BaseExceptionGroup):
            todo += cast("tuple[BaseException, ...]", exc.exceptions)


_RESUMABLE: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_YIELD: Final = dis.opmap["YIELD_VALUE"]


def _may_be_suspended(frame: FrameType) -> bool:
    """Return whether a frame stands where a generator or coroutine waits to be resumed; one that ended rarely does."""
    code = frame.f_code
    return bool(code.co_flags & _RESUMABLE) and code.co_code[frame.f_lasti] == _YIELD
