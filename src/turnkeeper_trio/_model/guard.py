"""The one place where an object of the user's is shown, asked, written to or called.

A job's error, its value, an argument, a schedule, a policy, an observer: each is the user's, and each of its methods
may raise anything, as may those of its class. What is done here cannot fail, whatever they do. Only what means the
program passes: `KeyboardInterrupt` and `SystemExit`, which end it wherever they come from.

Where Python itself knows the answer, the object is not asked at all: its type, the name of that, the traceback and the
chain of an error are read by the slots of the built-in types.
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

PROGRAM: Final = (KeyboardInterrupt, SystemExit)
"""What means the program, and not the object that raised it."""

_NAME: Final = type.__dict__["__name__"]
_QUALNAME: Final = type.__dict__["__qualname__"]
_MODULE: Final = type.__dict__["__module__"]
_TRACEBACK: Final = BaseException.__dict__["__traceback__"]
_CAUSE: Final = BaseException.__dict__["__cause__"]
_CONTEXT: Final = BaseException.__dict__["__context__"]
_MEMBERS: Final = BaseExceptionGroup.__dict__["exceptions"]


def type_name(value: object) -> str:
    """Return the name of the type of ``value``, as it is and not as its ``__class__`` says."""
    return class_name(type(value))


def class_name(kind: type) -> str:
    """Return the name of a class, past what its own class says."""
    return cast("str", _NAME.__get__(kind))


def full_type_name(value: object) -> str:
    """Return the name of the type of ``value`` with its module: ``builtins.ValueError``."""
    kind = type(value)
    return f"{text(_MODULE.__get__(kind))}.{_QUALNAME.__get__(kind)}"


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Return whether ``value`` is an instance of ``kind``; its ``__class__`` is not asked, which in a proxy is code."""
    try:
        return issubclass(type(value), kind)
    except PROGRAM:
        raise
    except BaseException:  # noqa: BLE001, ASYNC103  (the class of its class is the user's, too)
        return False  # noqa: ASYNC104  (a plain call cannot be cancelled)


def is_coroutine(value: object) -> bool:
    """Return whether ``value`` is what a call of a coroutine function returns."""
    return type(value) is CoroutineType


def text(value: object) -> str:
    """Return ``str(value)``, or what can be said where that raises."""
    return _made(str, value, "text")


def shown(value: object) -> str:
    """Return ``repr(value)``, or what can be said where that raises."""
    return _made(repr, value, "repr")


def fields_shown(self: object) -> str:
    """Return what the ``repr`` of a dataclass is, though that of what is in a field raises; it is written as one."""
    return _fields_shown(self)


@reprlib.recursive_repr()
def _fields_shown(value: object) -> str:
    of_repr = (field.name for field in fields(cast("DataclassInstance", value)) if field.repr)
    each = (f"{name}={shown(getattr(value, name))}" for name in of_repr)
    return f"{_QUALNAME.__get__(type(value))}({', '.join(each)})"


def _made(make: Callable[[object], str], value: object, what: str) -> str:
    # An instance of a subclass of str is a user's object again: its format, its comparison.
    made, error = call(lambda: str.__str__(make(value)))
    return made if made is not None else f"<{type_name(value)} whose {what} raises {type_name(error)}>"


def described(error: BaseException) -> str:
    """Return the type and the text of an error, as the last lines of its traceback have them."""
    lines, fault = call(traceback.format_exception_only, error)
    return "".join(lines).rstrip() if lines is not None and fault is None else raised(error)


def raised(error: BaseException) -> str:
    """Return the name of the type of an error and its text: ``ValueError: what it says``."""
    said = text(error)
    return f"{type_name(error)}: {said}" if said else type_name(error)


def trace(error: BaseException) -> str:
    """Return the traceback of an error as text."""
    lines, fault = call(traceback.format_exception, type(error), error, traceback_of(error))
    return "".join(lines) if lines is not None and fault is None else f"{raised(error)}\n"


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of an error."""
    return cast("TracebackType | None", _TRACEBACK.__get__(error))


def chained(error: BaseException) -> tuple[BaseException, ...]:
    """Return what an error chains to: its cause, its context, and its members, if it is a group."""
    linked: tuple[BaseException | None, ...] = (_CAUSE.__get__(error), _CONTEXT.__get__(error), *members(error))
    return tuple(each for each in linked if each is not None)


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the members of a group; nothing for any other error."""
    return cast("tuple[BaseException, ...]", _MEMBERS.__get__(error)) if is_a(error, BaseExceptionGroup) else ()


def is_in_chain(sought: BaseException, error: BaseException) -> bool:
    """Return whether an error is another one, or is what that chains to."""
    seen, todo = {id(error)}, [error]
    for each in todo:
        for further in chained(each):
            if id(further) not in seen:
                seen.add(id(further))
                todo.append(further)
    return id(sought) in seen


def set_context(error: BaseException, context: BaseException) -> None:
    """Say during which other error one came about, where nothing says so yet."""
    if _CONTEXT.__get__(error) is None:
        _CONTEXT.__set__(error, context)


def cause_of(error: BaseException) -> BaseException | None:
    """Return from which other error one was raised."""
    return cast("BaseException | None", _CAUSE.__get__(error))


def context_of(error: BaseException) -> BaseException | None:
    """Return during which other error one came about."""
    return cast("BaseException | None", _CONTEXT.__get__(error))


def replace_context(error: BaseException, context: BaseException | None) -> None:
    """Say during which other error one came about, whatever is said of that now."""
    _CONTEXT.__set__(error, context)


def set_traceback(error: BaseException, trace: TracebackType | None) -> None:
    """Set the traceback of an error, past its own ``__setattr__`` (a frozen dataclass refuses there)."""
    _TRACEBACK.__set__(error, trace)


def holds(error: BaseException, kind: type | tuple[type, ...]) -> bool:
    """Return whether an error is of a kind, or is a group that has one of that kind in it."""
    todo = [error]
    while todo:
        each = todo.pop()
        if is_a(each, kind):
            return True
        todo += members(each)
    return False


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R | None, BaseException | None]:
    """Call a function of the user's; return what it returned and ``None``, or ``None`` and what it raised."""
    try:
        return function(*args, **kwargs), None
    except PROGRAM:
        raise
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (whose fault it is decides the caller)
        return None, exc  # noqa: ASYNC104  (a plain call cannot be cancelled)


def attribute(value: object, name: str, default: Any = None) -> Any:
    """Return an attribute, or ``default`` where there is none or to read it raises."""
    found, error = call(getattr, value, name, default)
    return found if error is None else default


def equal(one: object, other: object) -> bool:
    """Return whether two values are equal; what cannot be compared counts as different."""
    found, _ = call(lambda: bool(one == other))
    return found is True


def assign(value: object, name: str, new: Any) -> bool:
    """Set an attribute past the object's own ``__setattr__`` (a frozen dataclass refuses); return whether it took."""
    _, error = call(object.__setattr__, value, name, new)
    return error is None


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error, past its own ``add_note`` and ``__setattr__``; one that takes none goes without."""
    notes = attribute(error, "__notes__")
    assign(error, "__notes__", [*notes, note] if type(notes) is list else [note])
