"""Checks that a job can call its function with its arguments: when the job is submitted, not when it runs.

A call that would work is never refused. So the parameters of the function itself count. Those of a function that it
wraps (``functools.wraps``) do not count, because many decorators add or remove an argument. A ``__signature__`` that
was set on it does not count either. If the parameters of a callable cannot be known, as with some that are written in
C, nothing is refused, and a wrong call fails when it is made.

The parameters of a function or a method are read from its code object. For other callables, and for the text of the
error, a signature is made each time. It is not cached, because a cache would be state that outlives every scheduler.
"""

import functools
import inspect
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any, Final

from turnkeeper_trio._model import guard

_NOTHING: Final[Mapping[str, Any]] = {}
_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def unwrapped(fn: Any) -> Any:
    """Return the function inside partial functions and static methods."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, staticmethod):
            fn = fn.__func__
        else:
            return fn


def check_callable(fn: object) -> None:
    """Check that a job can call ``fn``. A coroutine that is given instead of a function is closed.

    Raises:
        TypeError: it cannot be called (it is a coroutine, for example), or it is a generator function. The message says
            what to write.
    """
    if type(fn) is FunctionType and not fn.__code__.co_flags & _GENERATORS:
        return
    if inspect.iscoroutine(fn):
        fn.close()
        name = getattr(fn, "__name__", "f")
        raise TypeError(
            f"a coroutine was given: write add_job(request, {name}, ...) instead of add_job(request, {name}(...))"
        )
    if isinstance(fn, classmethod):
        raise TypeError("a classmethod has no class inside of the class body: give it as Class.method, after the class")
    if inspect.isawaitable(fn) and not callable(fn):
        raise TypeError(
            f"an awaitable was given, not a function: {guard.shown(fn)}; give the function and its arguments"
        )
    if not callable(fn):
        raise TypeError(f"a function was expected, not {guard.shown(fn)}")
    called = unwrapped(fn)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise TypeError(
            f"{name_of(called)} is a generator function: to call it runs nothing of it; iterate over it in a function"
        )


def name_of(fn: object) -> str:
    """Return the name of a function for people; of a callable without a name, that of its type."""
    name = guard.call(getattr, fn, "__qualname__", None)[0]
    return name if type(name) is str else guard.type_name(fn)


def check_arguments(fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NOTHING) -> None:
    """Check that a function takes these arguments, as far as its parameters can be known.

    Raises:
        TypeError: it does not take them; the message says what is missing or unexpected.
    """
    fn, args, kwargs = _flattened(fn, args, kwargs)
    plain = type(fn) is FunctionType
    if plain and _takes(fn, len(args), kwargs):
        return
    signature = _signature(fn)
    if signature is None:
        return
    # For a plain function `_takes` decides, because bind() of Python 3.13.0 has a fault: where a positional-only
    # parameter is missing, it accepts a keyword of the same name as one of ``**kwargs``.
    refused, reason = plain, f"its parameters are {signature}"
    try:
        signature.bind(*args, **kwargs)
    except TypeError as exc:
        refused, reason = True, str(exc)
    if refused:
        raise TypeError(f"{name_of(fn)}() does not take these arguments: {reason}")


def _takes(fn: FunctionType, number: int, kwargs: Mapping[str, Any]) -> bool:
    """Return whether a function takes ``number`` positional arguments and the keyword arguments ``kwargs``."""
    code = fn.__code__
    count, keyword_only = code.co_argcount, code.co_kwonlyargcount
    if number > count and not code.co_flags & inspect.CO_VARARGS:
        return False
    required = count - len(fn.__defaults__ or ())
    if not kwargs:
        return number >= required and (not keyword_only or len(fn.__kwdefaults__ or ()) >= keyword_only)
    names = code.co_varnames
    by_keyword = {*names[max(number, code.co_posonlyargcount) : count], *names[count : count + keyword_only]}
    missing = {*names[number:required], *names[count : count + keyword_only]} - {*(fn.__kwdefaults__ or ())}
    if missing - by_keyword or not kwargs.keys() >= missing:
        return False
    others = kwargs.keys() - by_keyword
    twice = others & {*names[code.co_posonlyargcount : min(number, count)]}
    return not others or (bool(code.co_flags & inspect.CO_VARKEYWORDS) and not twice)


def _flattened(
    fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """Return the function that is finally called, and all its positional and keyword arguments."""
    while True:
        if type(fn) is FunctionType:
            return fn, args, kwargs
        if type(fn) is functools.partial:
            fn, args, kwargs = fn.func, (*fn.args, *args), {**fn.keywords, **kwargs}
        elif type(fn) is MethodType:
            fn, args = fn.__func__, (fn.__self__, *args)
        elif type(fn) is staticmethod:
            fn = fn.__func__
        else:
            call = _call_method(fn)
            if type(call) is not FunctionType:
                return fn, args, kwargs
            fn, args = call, (fn, *args)


def _call_method(value: object) -> object:
    """Return ``__call__`` as it is defined in the class of a value, or in a base of the class."""
    return next(each.__dict__["__call__"] for each in type(value).__mro__ if "__call__" in each.__dict__)


def _signature(fn: Any) -> inspect.Signature | None:
    """Return the signature of a callable itself, or ``None`` if it cannot be known."""
    if type(fn) is FunctionType:
        # A copy of the function without the attributes that were set on it: `__wrapped__`, `__signature__`.
        bare = FunctionType(fn.__code__, {}, fn.__name__, fn.__defaults__, fn.__closure__)
        bare.__kwdefaults__ = fn.__kwdefaults__
        fn = bare
    elif guard.call(getattr, fn, "__signature__", None)[0] is not None:
        return None
    signature, _ = guard.call(inspect.Signature.from_callable, fn, follow_wrapped=False)
    return signature
