"""The one place where a user's object is shown, asked, written to or called.

A job's error, its value, an argument, a schedule, a policy, an observer: each is a user's object, and each of its
methods may raise anything, as may the methods of its class. The functions here never fail because of that. Only
`KeyboardInterrupt` and `SystemExit` pass through, because they end the program wherever they come from.

Where Python itself knows the answer, the object is not asked: its type, the name of its type, and the traceback and
the chain of an error are read through the slots of the built-in types.
"""

import reprlib
import traceback
from collections.abc import Callable
from dataclasses import fields
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)

PROGRAM: Final = (KeyboardInterrupt, SystemExit)
"""Exceptions that end the program: they are not the fault of the object that raises them, and are never caught here."""

_NAME: Final = type.__dict__["__name__"]
_QUALNAME: Final = type.__dict__["__qualname__"]
_MODULE: Final = type.__dict__["__module__"]
_TRACEBACK: Final = BaseException.__dict__["__traceback__"]
_CAUSE: Final = BaseException.__dict__["__cause__"]
_CONTEXT: Final = BaseException.__dict__["__context__"]
_MEMBERS: Final = BaseExceptionGroup.__dict__["exceptions"]


def type_name(value: object) -> str:
    """Return the name of the real type of ``value``; its ``__class__`` is not read."""
    return class_name(type(value))


def class_name(kind: type) -> str:
    """Return the name of a class; a ``__name__`` that its metaclass defines is not read."""
    return cast("str", _NAME.__get__(kind))


def full_type_name(value: object) -> str:
    """Return the name of the type of ``value`` with its module: ``builtins.ValueError``."""
    kind = type(value)
    return f"{text(_MODULE.__get__(kind))}.{_QUALNAME.__get__(kind)}"


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Return whether the real type of ``value`` is ``kind``, or a subclass of it.

    ``__class__`` is not read, because it runs code in a proxy.
    """
    try:
        return issubclass(type(value), kind)
    except PROGRAM:
        raise
    except BaseException:  # noqa: BLE001, ASYNC103  (its metaclass may be a user's, and may raise anything)
        return False  # noqa: ASYNC104  (a plain call cannot be cancelled)


def is_coroutine(value: object) -> bool:
    """Return whether ``value`` is what a call of a coroutine function returns."""
    return type(value) is CoroutineType


def text(value: object) -> str:
    """Return ``str(value)``; if that raises, a text that names the types of the value and of the error."""
    return _made(str, value, "text")


def shown(value: object) -> str:
    """Return ``repr(value)``; if that raises, a text that names the types of the value and of the error."""
    return _made(repr, value, "repr")


def fields_shown(self: object) -> str:
    """Return what the ``repr`` of a dataclass is, though that of what is in a field raises; it is written as one."""
    return _fields_shown(self)


@reprlib.recursive_repr()
def _fields_shown(value: object) -> str:
    of_repr = [field.name for field in fields(cast("DataclassInstance", value)) if field.repr]
    each = ", ".join(f"{name}={shown(getattr(value, name))}" for name in of_repr)
    return f"{_QUALNAME.__get__(type(value))}({each})"


def _made(make: Callable[[object], str], value: object, what: str) -> str:
    # The result may be an instance of a user's subclass of str, which has methods of its own: make it a plain str.
    made, error = call(lambda: str.__str__(make(value)))
    return made if made is not None else f"<{type_name(value)} whose {what} raises {type_name(error)}>"


def described(error: BaseException) -> str:
    """Return the type and the text of an error, as in the last lines of its traceback."""
    lines, fault = call(traceback.format_exception_only, error)
    return "".join(lines).rstrip() if lines is not None and fault is None else raised(error)


def raised(error: BaseException) -> str:
    """Return the name of the type of an error and its text: ``ValueError: out of range``."""
    message = text(error)
    return f"{type_name(error)}: {message}" if message else type_name(error)


def trace(error: BaseException) -> str:
    """Return the traceback of an error as text."""
    lines, fault = call(traceback.format_exception, type(error), error, traceback_of(error))
    return "".join(lines) if lines is not None and fault is None else f"{raised(error)}\n"


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback object of an error."""
    return cast("TracebackType | None", _TRACEBACK.__get__(error))


def chained(error: BaseException) -> tuple[BaseException, ...]:
    """Return the errors that an error links to: its cause, its context and, if it is a group, its members."""
    linked: tuple[BaseException | None, ...] = (_CAUSE.__get__(error), _CONTEXT.__get__(error), *members(error))
    return tuple(each for each in linked if each is not None)


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the members of a group; an empty tuple for an error that is no group."""
    return cast("tuple[BaseException, ...]", _MEMBERS.__get__(error)) if is_a(error, BaseExceptionGroup) else ()


def is_in_chain(sought: BaseException, error: BaseException) -> bool:
    """Return whether ``sought`` is ``error``, or can be reached from it by its links (`chained`)."""
    seen, todo = {id(error)}, [error]
    for each in todo:
        for linked in chained(each):
            if id(linked) not in seen:
                seen.add(id(linked))
                todo.append(linked)
    return id(sought) in seen


def put_before(error: BaseException, earlier: BaseException) -> None:
    """Make an earlier error the context of the first one in the chain of ``error`` that has neither cause nor context.

    So it is shown first, and what was there is still shown. If the chains of the two meet, nothing is changed: it would
    have no end.
    """
    first, seen = error, {id(error)}
    while (before := _before(first)) is not None and id(before) not in seen:
        first = before
        seen.add(id(before))
    if before is None and not is_in_chain(earlier, error) and not is_in_chain(first, earlier):
        _CONTEXT.__set__(first, earlier)


def _before(error: BaseException) -> BaseException | None:
    """Return the error that a traceback shows before this one."""
    cause = cause_of(error)
    return context_of(error) if cause is None else cause


def cause_of(error: BaseException) -> BaseException | None:
    """Return from which other error one was raised."""
    return cast("BaseException | None", _CAUSE.__get__(error))


def context_of(error: BaseException) -> BaseException | None:
    """Return the ``__context__`` of an error: the error during whose handling it was raised."""
    return cast("BaseException | None", _CONTEXT.__get__(error))


def replace_context(error: BaseException, context: BaseException | None) -> None:
    """Set the ``__context__`` of an error, whether it has one or not."""
    _CONTEXT.__set__(error, context)


def set_traceback(error: BaseException, trace: TracebackType | None) -> None:
    """Set the traceback of an error. Its ``__setattr__`` is not called, because that of a frozen dataclass raises."""
    _TRACEBACK.__set__(error, trace)


def caused(error: E, cause: BaseException | None) -> E:
    """Return ``error`` with its cause set, as by ``raise error from cause``; ``None`` hides its context.

    Compiled modules need both, because mypyc leaves the ``from`` out.
    """
    _CAUSE.__set__(error, cause)
    return error


def holds(error: BaseException, kind: type | tuple[type, ...]) -> bool:
    """Return whether an error is of a kind, or is a group that holds an error of that kind at any depth."""
    todo = [error]
    while todo:
        each = todo.pop()
        if is_a(each, kind):
            return True
        todo += members(each)
    return False


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R | None, BaseException | None]:
    """Call a user's function; return its value and ``None``, or ``None`` and the error that it raised."""
    try:
        return function(*args, **kwargs), None
    except PROGRAM:
        raise
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (the caller decides what the error means)
        return None, exc  # noqa: ASYNC104  (a plain call cannot be cancelled)


def attribute(value: object, name: str, default: Any = None) -> Any:
    """Return an attribute, or ``default`` if there is none or if reading it raises."""
    found, error = call(getattr, value, name, default)
    return found if error is None else default


def equal(one: object, other: object) -> bool:
    """Return whether two values are equal; values whose comparison raises count as different."""
    found, _ = call(lambda: bool(one == other))
    return found is True


def assign(value: object, name: str, new: Any) -> bool:
    """Set an attribute; return whether that succeeded.

    The object's ``__setattr__`` is not called, because that of a frozen dataclass raises.
    """
    _, error = call(object.__setattr__, value, name, new)
    return error is None


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error; where none can be set, do nothing. Its own ``add_note`` is not called."""
    notes = attribute(error, "__notes__")
    assign(error, "__notes__", [*notes, note] if type(notes) is list else [note])
