"""The functions that jobs run, by name.

The engine knows targets, which are names. A function that was not registered gets a private name, which carries the
function with it: it lives as long as a job holds the name, and there is no table to clean. Only the memory store takes
such a name.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, final

from turnkeeper_trio import _checks
from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError


@final
class Function:
    """A callable, and how it is to be called."""

    __slots__ = ("call", "is_async")

    def __init__(self, call: Callable[..., Any]) -> None:
        """Look at a callable."""
        self.call: Callable[..., Any] = call
        self.is_async: bool = _is_async(call)


@final
class PrivateName(str):
    """The name of a function that was not registered: for people, ``module.qualname``; it carries the function.

    Many functions may go by one such name (loaded again, made in a loop): it is equal to another if the functions are.
    """

    __slots__ = ("function",)
    function: Function

    def __eq__(self, other: object) -> bool:
        """Return whether the other is the name of the same function."""
        return isinstance(other, PrivateName) and _is_same(self.function.call, other.function.call)

    def __ne__(self, other: object) -> bool:
        """Return whether it is not: a string would look at the text."""
        return not self == other

    __hash__ = str.__hash__


@final
class Functions:
    """The registered functions, and the way from a target to its function."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_name: dict[str, Function] = {}
        self._last: PrivateName | None = None

    def register(self, name: str, fn: Callable[..., Any], aliases: Iterable[str]) -> None:
        """Give a function a name by which stored jobs find it, and further names it had before."""
        _check_callable(fn)
        names = [_checks.text("name", name), *(_checks.text("aliases", alias) for alias in aliases)]
        for each in names:
            known = self._by_name.get(each)
            if known is not None and not guard.equal(known.call, fn) and not _is_reloaded(known.call, fn):
                raise ConfigurationError(f"another function is registered as {each!r}", parameter="name")
        function = Function(fn)
        for each in names:
            self._by_name[each] = function

    def target(self, fn: Callable[..., Any] | str) -> str:
        """Return the target for a function or the name of a registered one."""
        if isinstance(fn, str):
            if fn not in self._by_name:
                raise ConfigurationError(f"no function is registered as {fn!r}", parameter="fn")
            return fn
        # Many jobs in a row often share one function; they then share its name, too.
        if self._last is not None and self._last.function.call is fn:
            return self._last
        _check_callable(fn)
        named = _unwrapped(fn)
        module, qualname = guard.attribute(named, "__module__", "?"), guard.attribute(named, "__qualname__")
        name = PrivateName(f"{guard.text(module)}.{guard.text(qualname or guard.type_name(named))}")
        name.function = Function(fn)
        self._last = name
        return name

    def resolve(self, target: str) -> Function:
        """Return the function of a target."""
        return target.function if isinstance(target, PrivateName) else self._by_name[target]


def _is_reloaded(before: Callable[..., Any], now: Callable[..., Any]) -> bool:
    """Return whether two functions stand at one place of one module, which has been loaded again."""
    places = [(getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)) for fn in (before, now)]
    module, qualname = places[0]
    return module is not None and qualname is not None and "<" not in qualname and places[0] == places[1]


def _check_callable(fn: object) -> None:
    if inspect.iscoroutine(fn):
        fn.close()
        name = getattr(fn, "__name__", "f")
        raise TypeError(
            f"a coroutine was given: write add_job(request, {name}, ...) instead of add_job(request, {name}(...))"
        )
    if inspect.isawaitable(fn) and not callable(fn):
        raise TypeError(
            f"an awaitable was given, not a function: {guard.shown(fn)}; give the function and its arguments"
        )
    if not callable(fn):
        raise TypeError(f"a function was expected, not {guard.shown(fn)}")
    called = _unwrapped(fn)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        name = guard.attribute(called, "__qualname__") or guard.shown(called)
        raise TypeError(f"{name} is a generator function: to call it runs nothing of it; iterate over it in a function")


def _is_same(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if isinstance(one, functools.partial) and isinstance(other, functools.partial):
        given = (one.args, one.keywords), (other.args, other.keywords)
        return _is_same(one.func, other.func) and guard.equal(*given)
    return guard.equal(one, other)


def _unwrapped(fn: Any) -> Any:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _is_async(fn: Callable[..., Any]) -> bool:
    fn = _unwrapped(fn)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(type(fn), "__call__", None))  # noqa: B004  (is it async?)
