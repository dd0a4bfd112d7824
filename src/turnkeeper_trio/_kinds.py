"""Schedules and retry policies of a user's classes as JSON: written under the kind of their class, and read back by it.

There is no table of kinds that the process shares. Who reads says which classes there may be (``kinds=``), so that two
libraries in one process cannot take each other's names, and a test leaves nothing behind.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError

Kinds: TypeAlias = Mapping[str, Any]
"""Classes of a user's, by their kind."""

NO_KINDS: Final[Kinds] = {}

CUSTOM: Final = "custom"
"""The kind, in JSON, of an object whose class has none: it is shown by its ``repr``, and cannot be made again."""

WRITE: Final = "give it a text kind, a method to_json() and a class method from_json(data)"
"""What messages say to write."""


def by_kind(name: str, classes: Iterable[object], reserved: Collection[str]) -> Kinds:
    """Return classes by their kind.

    Raises:
        ConfigurationError: One of them is no class, lacks a ``kind``, ``to_json`` or ``from_json``, or has the kind of
            another class, or one of the ``reserved`` kinds, which are those of the library.
    """
    found: dict[str, Any] = {}
    for cls in _validation.several(name, classes, "classes, such as [MySchedule]"):
        if not guard.is_a(cls, type):
            raise ConfigurationError(f"{name} must be classes, not {guard.shown(cls)}", parameter=name)
        kind = kind_of(cls)
        if kind is None or not all(callable(guard.attribute(cls, each)) for each in ("to_json", "from_json")):
            message = f"{name}: {guard.class_name(cast('type', cls))} cannot be written and read back; {WRITE}"
            raise ConfigurationError(message, parameter=name)
        if kind in reserved or kind == CUSTOM:
            raise ConfigurationError(f"{name}: the kind {kind!r} is one of the library's", parameter=name)
        if found.setdefault(kind, cls) is not cls:
            raise ConfigurationError(f"{name}: two classes have the kind {kind!r}", parameter=name)
    return found


def kind_of(value: object) -> str | None:
    """Return the kind of a user's object or class; ``None`` if it has none."""
    kind = guard.attribute(value, "kind")
    return kind if type(kind) is str and kind.strip() else None


def custom_to_json(value: object) -> dict[str, Any]:
    """Return a user's object as JSON values: what its ``to_json`` returns, or its ``repr`` if it has no kind."""
    kind = kind_of(value)
    write = guard.attribute(value, "to_json")
    shown = {"kind": CUSTOM, "repr": guard.shown(value)}
    if kind is None or not callable(write):
        return shown
    data, error = guard.call(write)
    return {"kind": kind, "data": data} if error is None else {**shown, "fault": guard.raised(error)}


def custom_from_json(data: Mapping[str, Any], kinds: Kinds, what: str, library: Collection[str]) -> Any:
    """Return the object that `custom_to_json` wrote; ``what`` says what it is, ``library`` has the library's kinds.

    Raises:
        ConfigurationError: It was written by its ``repr``, or its kind is not one of ``kinds``, or its class cannot
            read it.
    """
    kind = data.get("kind")
    if kind == CUSTOM:
        why = f"its to_json raised {data['fault']}" if "fault" in data else WRITE
        message = f"a {what} of one's own cannot be read from JSON: {data.get('repr')}; {why}"
        raise ConfigurationError(message, parameter="data")
    cls = kinds.get(kind) if type(kind) is str else None
    if cls is None:
        known = ", ".join(sorted([*library, *kinds]))
        message = f"no {what} has the kind {guard.shown(kind)}; known: {known}; give your own classes, kinds=[MyClass]"
        raise ConfigurationError(message, parameter="data")
    value, error = guard.call(cls.from_json, data.get("data"))
    if error is not None:
        name = guard.class_name(cls)
        raise ConfigurationError(f"{name}.from_json raised {guard.raised(error)}", parameter="data") from error
    return value
