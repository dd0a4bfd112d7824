"""What every record can do: show itself as plain JSON values."""

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(value: object) -> Any:  # noqa: PLR0911  (one line a kind)
    """Return ``value`` as JSON values: instants as ISO 8601 UTC, durations in seconds, errors as three texts."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return str(value)
        case UUID():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case BaseException():
            return {
                "type": f"{type(value).__module__}.{type(value).__qualname__}",
                "message": str(value),
                "traceback": "".join(traceback.format_exception(value)),
            }
        case _ if hasattr(value, "to_json"):
            return value.to_json()
        case _ if is_dataclass(value) and not isinstance(value, type):
            return plain_fields(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            items: Iterable[object] = value
            return [plain(item) for item in items]
        case _:
            return repr(value)


def plain_fields(value: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass as JSON values, by name."""
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}


class Record:
    """A frozen value that users read."""

    __slots__ = ()

    def to_json(self: "DataclassInstance") -> dict[str, Any]:
        """Return the fields as plain JSON values: instants ISO 8601 in UTC, durations in seconds, errors as text."""
        return plain_fields(self)


def forget_locals(error: BaseException) -> None:
    """Clear the local variables of every frame that ``error`` and what it chains to keep alive; the text stays.

    A stored traceback otherwise keeps each local of each frame (a 50 MB result, a connection) for as long as the record.
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        exc = todo.pop()
        if exc is None or id(exc) in seen:
            continue
        seen.add(id(exc))
        traceback.clear_frames(exc.__traceback__)
        todo += (exc.__cause__, exc.__context__)
        if isinstance(exc, BaseExceptionGroup):
            todo += exc.exceptions
