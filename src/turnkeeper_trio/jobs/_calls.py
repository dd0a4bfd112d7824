"""Whether a function can be called as a job is to call it: looked at when the job is submitted, not when it runs.

A call that would work is never refused. So what counts is what the function itself takes: not what it says of another
one that it wraps (``functools.wraps``: many a decorator adds an argument of its own, or takes one away), nor what
signature was written on it. Where nothing can be known of a callable, as of some that are written in C, the call will
show.

What a function or a method takes is read off its code object. For other callables, and for the text of the error, a
signature is made each time, and kept nowhere: a cache would be state that outlives every scheduler.
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
    """Return the function inside of partial functions and static methods."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, staticmethod):
            fn = fn.__func__
        else:
            return fn


def check_callable(fn: object) -> None:
    """Refuse what a job cannot call.

    Raises:
        TypeError: it is a coroutine, say, or a generator function; the message tells what to write.
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
    """Return the name of a function, for people."""
    name = guard.call(getattr, fn, "__qualname__", None)[0]
    return name if type(name) is str else guard.type_name(fn)


def check_arguments(fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NOTHING) -> None:
    """Refuse arguments that a function does not take.

    Raises:
        TypeError: it does not take them; the message says what is missing, or is too much.
    """
    fn, args, kwargs = _flattened(fn, args, kwargs)
    plain = type(fn) is FunctionType
    if plain and _takes(fn, len(args), kwargs):
        return
    signature = _signature(fn)
    if signature is None:
        return
    # What a plain function takes is decided above: bind() of Python 3.13.0 takes a name of a positional-only parameter
    # for one of ``**kwargs``, though the parameter is missing.
    refused, reason = plain, f"its parameters are {signature}"
    try:
        signature.bind(*args, **kwargs)
    except TypeError as exc:
        refused, reason = True, str(exc)
    if refused:
        raise TypeError(f"{name_of(fn)}() does not take these arguments: {reason}")


def _takes(fn: FunctionType, number: int, kwargs: Mapping[str, Any]) -> bool:
    """Return whether a function takes this number of positional arguments, and these keyword arguments beside them."""
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
    """Return the function that is called in the end, and all that it is called with."""
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
            call = _called_of(fn)
            if type(call) is not FunctionType:
                return fn, args, kwargs
            fn, args = call, (fn, *args)


def _called_of(value: object) -> object:
    """Return what is written as ``__call__`` in the class of a value."""
    return next(each.__dict__["__call__"] for each in type(value).__mro__ if "__call__" in each.__dict__)


def _signature(fn: Any) -> inspect.Signature | None:
    """Return what a function takes, or ``None`` where that cannot be known."""
    if type(fn) is FunctionType:
        # A copy of the bare function, without what was written on it: `__wrapped__`, `__signature__`.
        bare = FunctionType(fn.__code__, {}, fn.__name__, fn.__defaults__, fn.__closure__)
        bare.__kwdefaults__ = fn.__kwdefaults__
        fn = bare
    elif guard.call(getattr, fn, "__signature__", None)[0] is not None:
        return None
    signature, _ = guard.call(inspect.Signature.from_callable, fn, follow_wrapped=False)
    return signature
