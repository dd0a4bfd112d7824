"""The one place where an object of the user's is shown, asked, written to or called.

A job's error, its value, an argument, a schedule, a policy, an observer: each is the user's, and each of its methods may
raise anything. What is done here cannot fail, whatever they do. Only what means the program passes: `KeyboardInterrupt`
and `SystemExit`, which end it wherever they come from.
"""

import traceback
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PROGRAM: Final = (KeyboardInterrupt, SystemExit)
"""What means the program, and not the object that raised it."""


def type_name(value: object) -> str:
    """Return the name of the type of ``value``, as it is and not as its ``__class__`` says."""
    return type(value).__name__


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Return whether ``value`` is an instance of ``kind``, without asking its ``__class__``: a lazy proxy runs code there."""
    return issubclass(type(value), kind)


def text(value: object) -> str:
    """Return ``str(value)``, or what can be said where that raises."""
    return _made(str, value, "text")


def shown(value: object) -> str:
    """Return ``repr(value)``, or what can be said where that raises."""
    return _made(repr, value, "repr")


def _made(make: Callable[[object], str], value: object, what: str) -> str:
    try:
        # An instance of a subclass of str is a user's object again: its format, its comparison.
        return str.__str__(make(value))
    except PROGRAM:
        raise
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (whatever it raises, what asks goes on)
        return f"<{type_name(value)} whose {what} raises {type_name(exc)}>"


def described(error: BaseException) -> str:
    """Return the type and the text of an error, as the last lines of its traceback have them."""
    try:
        return "".join(traceback.format_exception_only(error)).rstrip()
    except PROGRAM:
        raise
    except BaseException:  # noqa: BLE001, ASYNC103  (whatever it raises, what asks goes on)
        return f"{type_name(error)}: {text(error)}"


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R | None, BaseException | None]:
    """Call a function of the user's; return what it returned and ``None``, or ``None`` and what it raised."""
    try:
        return function(*args, **kwargs), None
    except PROGRAM:
        raise
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (whose fault it is decides the caller)
        return None, exc


def assign(value: object, name: str, new: Any) -> bool:
    """Set an attribute past the object's own ``__setattr__`` (a frozen dataclass refuses there); return whether it took."""
    try:
        object.__setattr__(value, name, new)
    except PROGRAM:
        raise
    except BaseException:  # noqa: BLE001, ASYNC103  (what cannot be written to stays as it is)
        return False
    return True
