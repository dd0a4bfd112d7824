"""Whether a function can be called as a job is to call it: looked at when the job is submitted, not when it runs.

A call that would work is never refused. So what counts is what the function itself takes: not what it says of another
one that it wraps (``functools.wraps``: many a decorator adds an argument of its own, or takes one away), nor what
signature was written on it. Where nothing can be known of a callable, as of some that are written in C, the call will
show.

The usual case, positional arguments for a function or a method, is decided by a few numbers on its code object, with
nothing to cache. For the others the signature is made once, and kept for as long as the function lives.
"""

import functools
import inspect
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final
from weakref import WeakKeyDictionary

from turnkeeper_trio._model import guard

_NOTHING: Final[Mapping[str, Any]] = {}
_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_SIGNATURES: Final[WeakKeyDictionary[Any, inspect.Signature | None]] = WeakKeyDictionary()


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
    if type(fn) is FunctionType and not kwargs and _takes(fn, len(args)):
        return
    error: TypeError | None = None
    for make in (_known_signature, _signature):  # What is known may be out of date: defaults can be assigned to.
        signature = make(fn)
        if signature is None:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as exc:
            error = exc
        else:
            return
    raise TypeError(f"{name_of(fn)}() does not take these arguments: {error}")


def _takes(fn: FunctionType, number: int) -> bool:
    """Return whether a function takes so many positional arguments, and nothing else."""
    code = fn.__code__
    if number > code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        return False
    if number < code.co_argcount - len(fn.__defaults__ or ()):
        return False
    return not code.co_kwonlyargcount or len(fn.__kwdefaults__ or ()) >= code.co_kwonlyargcount


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
    for each in type(value).__mro__:
        if "__call__" in each.__dict__:
            return each.__dict__["__call__"]
    return None


def _known_signature(fn: Any) -> inspect.Signature | None:
    """Return the signature of a function, as it was when it was first asked for."""
    if type(fn) not in {FunctionType, BuiltinFunctionType, type}:
        return _signature(fn)  # Its hash is a user's.
    if fn not in _SIGNATURES:
        _SIGNATURES[fn] = _signature(fn)
    return _SIGNATURES[fn]


def _signature(fn: Any) -> inspect.Signature | None:
    """Return what a function takes, without its defaults and annotations: these could keep the function alive."""
    if type(fn) is FunctionType:
        # A copy of the bare function, without what was written on it: `__wrapped__`, `__signature__`.
        bare = FunctionType(fn.__code__, {}, fn.__name__, fn.__defaults__, fn.__closure__)
        bare.__kwdefaults__ = fn.__kwdefaults__
        fn = bare
    elif guard.call(getattr, fn, "__signature__", None)[0] is not None:
        return None
    signature, _ = guard.call(inspect.Signature.from_callable, fn, follow_wrapped=False)
    if signature is None:
        return None
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [
            each.replace(annotation=empty, default=each.default if each.default is empty else None)
            for each in signature.parameters.values()
        ]
    )
