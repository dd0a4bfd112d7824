"""Arguments of jobs in front of a durable store: JSON values that read back equal, or text that a user's codec wrote.

They are checked and written in the task of the caller, so that what a restart could not bring back is an error of the
call. Only the exact types of JSON are accepted. ``json`` would also write a tuple, a number as a key or an `Enum`, and
read a list, a text or a number: after a restart the function would get something else than before.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple, NoReturn
from uuid import UUID

from turnkeeper_trio._model import guard
from turnkeeper_trio.abc import ArgumentCodec
from turnkeeper_trio.errors import ConfigurationError

LONGEST_TEXT: Final = 64 * 1024
"""How many bytes the arguments of a job may take as text."""

NO_ARGUMENTS: Final = "{}"

CODED: Final = {"args": "coded_args", "kwargs": "coded_kwargs"}
"""Under which name arguments are written that a codec has made text of, so that they are known by their text."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_DEEPEST: Final = 100
_LONGEST_INTEGER: Final = 1024
"""Bits. Python can be told to read no number of more than 640 digits."""

_ELSE: Final = "give an id by which the function finds it, or open_scheduler(codec=…)"
_ELSE_SHORTER: Final = "keep the data elsewhere, and give an id by which the function finds it"

_PARAMETER: Final = re.compile(r"\W")
"""Ends the name of the parameter in a path such as ``kwargs['when'][2]``."""

_INSTEAD: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (tuple, "write a list"),
    ((set, frozenset), "write a list, such as sorted(…)"),
    ((bytes, bytearray, memoryview), "write text, such as base64.b64encode(…).decode()"),
    (Enum, "write its value, and make it again in the function"),
    ((datetime, date, time), "write its isoformat(), and read it in the function with fromisoformat()"),
    (timedelta, "write its total_seconds()"),
    ((UUID, Decimal, PurePath), "write str(…), and make it again in the function"),
    (str, "write a plain str, such as str(…)"),
    (int, "write a plain int, such as int(…)"),
    (float, "write a plain float, such as float(…)"),
    (list, "write a plain list, such as list(…)"),
    (Mapping, "write a plain dict, such as dict(…)"),
)
"""What to write instead of an object of a type; the first type that fits counts."""


class _Fault(NamedTuple):
    """What is wrong with a value, or with a value inside of it."""

    path: str
    """Where, from the value on: ``['when'][2]``."""
    value: object
    reason: str

    def inside(self, step: str) -> "_Fault":
        """Return the same fault, seen from the value that contains this one."""
        return self if self is _TOO_DEEP else self._replace(path=f"{step}{self.path}")


_TOO_DEEP: Final = _Fault("", None, f"is nested more than {_DEEPEST} deep; {_ELSE_SHORTER}")


def encode_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, codec: ArgumentCodec | None) -> str:
    """Return the arguments of a job as the text of a JSON object. `decode_arguments` reads them.

    Raises:
        ConfigurationError: An argument is no JSON value that reads back equal (or the codec cannot write and read it),
            or all together are too long. The message names the argument, and says what to write instead.
    """
    if not args and not kwargs:
        return NO_ARGUMENTS
    named = dict(kwargs or {})
    _check_names(named)
    parts: dict[str, Any] = {}
    if codec is None:
        for place, value in enumerate(args):
            check_json(f"args[{place}]", value)
        for name, value in named.items():
            check_json(f"kwargs[{name!r}]", value)
        parts.update({"args": args} if args else {}, **({"kwargs": named} if named else {}))
    else:
        if args:
            parts[CODED["args"]] = [_coded(codec, f"args[{place}]", value) for place, value in enumerate(args)]
        if named:
            coded = {name: _coded(codec, f"kwargs[{name!r}]", value) for name, value in named.items()}
            parts[CODED["kwargs"]] = coded
    text = compact(parts)
    size = len(text.encode())
    if size > LONGEST_TEXT:
        message = f"the arguments take {size:,} bytes as text, and may take {LONGEST_TEXT:,}; {_ELSE_SHORTER}"
        _refuse("args" if args else "kwargs", message)
    return text


def decode_arguments(data: Mapping[str, Any], codec: ArgumentCodec | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the keyword arguments that `encode_arguments` wrote.

    Raises:
        ConfigurationError: A codec wrote them, and none is given, or it cannot read them.
    """
    args, kwargs = tuple(data.get("args", ())), dict(data.get("kwargs", ()))
    coded, coded_by_name = data.get(CODED["args"], ()), data.get(CODED["kwargs"], {})
    if not coded and not coded_by_name:
        return args, kwargs
    if codec is None:
        message = "the arguments were written by a codec: open the scheduler with it, open_scheduler(codec=…)"
        raise ConfigurationError(message, parameter="codec")
    args += tuple(_read(codec, f"args[{place}]", text) for place, text in enumerate(coded))
    return args, kwargs | {name: _read(codec, f"kwargs[{name!r}]", text) for name, text in coded_by_name.items()}


def with_part(data: Mapping[str, Any], name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as `encode_arguments` writes them, with those of ``part`` for ``args`` or for ``kwargs``."""
    both = {**{key: value for key, value in data.items() if key not in {name, CODED[name]}}, **part}
    return {key: both[key] for key in (*CODED, *CODED.values()) if key in both}


def check_json(where: str, value: object) -> None:
    """Check that a value is made of the types of JSON, so that it reads back as an equal value of the same types.

    Raises:
        ConfigurationError: It is not. The message begins with ``where``, and the path from there.
    """
    fault = _fault(value)
    if fault is not None:
        shown = guard.shown(fault.value)
        shown = shown if len(shown) <= 80 else f"{shown[:79]}…"  # noqa: PLR2004  (a line)
        _refuse(where, f"{where}{fault.path} {fault.reason.replace('{}', shown, 1)}")


def compact(value: Any) -> str:
    """Return a JSON value as text without blanks."""
    return _ENCODER.encode(value)


def _fault(value: object, depth: int = 0) -> _Fault | None:
    """Return what is wrong with a value; ``None`` if nothing is."""
    if value is None or type(value) is bool:
        return None
    check = _CHECKS.get(type(value))
    if check is not None:
        return check(value, depth)
    instead = next((write for types, write in _INSTEAD if guard.is_a(value, types)), _ELSE)
    return _Fault("", value, f"is {{}}, of type {guard.type_name(value)}, which no durable store can keep; {instead}")


def _text_fault(value: Any, depth: int) -> _Fault | None:
    del depth
    return None if _is_utf8(value) else _Fault("", value, "cannot be written in UTF-8: {}")


def _integer_fault(value: Any, depth: int) -> _Fault | None:
    del depth
    if value.bit_length() <= _LONGEST_INTEGER:
        return None
    return _Fault("", None, "is an integer of more than 300 digits; write it as text, such as hex(…)")


def _number_fault(value: Any, depth: int) -> _Fault | None:
    del depth
    return (
        None if math.isfinite(value) else _Fault("", value, "is {}, for which JSON has no number; write None or text")
    )


def _list_fault(value: Any, depth: int) -> _Fault | None:
    if depth >= _DEEPEST:
        return _TOO_DEEP
    for place, each in enumerate(value):
        if (fault := _fault(each, depth + 1)) is not None:
            return fault.inside(f"[{place}]")
    return None


def _dict_fault(value: Any, depth: int) -> _Fault | None:
    if depth >= _DEEPEST:
        return _TOO_DEEP
    for key, each in value.items():
        if type(key) is not str or not _is_utf8(key):
            return _Fault("", key, "has the key {}, and a key must be a plain str; write str(…)")
        if (fault := _fault(each, depth + 1)) is not None:
            return fault.inside(f"[{key!r}]")
    return None


_CHECKS: Final[Mapping[type, Callable[[Any, int], _Fault | None]]] = {
    str: _text_fault,
    int: _integer_fault,
    float: _number_fault,
    list: _list_fault,
    dict: _dict_fault,
}


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_names(kwargs: Mapping[str, Any]) -> None:
    for name in kwargs:
        if type(name) is not str or not _is_utf8(name):
            _refuse("kwargs", f"kwargs has the name {guard.shown(name)}, and a name must be a plain str")


def _coded(codec: ArgumentCodec, where: str, value: object) -> str:
    """Return an argument as the codec writes it. It must be able to read it, too."""
    text, error = guard.call(codec.dumps, value)
    if error is not None:
        _refuse(where, f"{where}: codec.dumps raised {guard.raised(error)}", error)
    if type(text) is not str or not _is_utf8(text):
        _refuse(where, f"{where}: codec.dumps must return text, it returned {guard.shown(text)}")
    _read(codec, where, text)
    return text


def _read(codec: ArgumentCodec, where: str, text: str) -> Any:
    value, error = guard.call(codec.loads, text)
    if error is not None:
        _refuse(where, f"{where}: codec.loads raised {guard.raised(error)}", error)
    return value


def _refuse(where: str, message: str, cause: BaseException | None = None) -> NoReturn:
    raise ConfigurationError(message, parameter=_PARAMETER.split(where)[0]) from cause
