"""The functions that jobs run, by name.

The engine knows only targets, which are names. A function that is not registered gets a private name, which holds the
function itself. So the function lives as long as a job holds the name, and no table has to be cleaned. Only the memory
store accepts a private name.
"""

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._calls import check_arguments, check_callable, name_of, unwrapped


@final
class Function:
    """A callable, and how to call it: with an ``await``, or in a thread."""

    __slots__ = ("call", "is_async", "takes", "waits")

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call: Callable[..., Any] = call
        self.is_async: bool = _is_async(call)
        self.takes: int | None = None
        """A number of positional arguments that it is known to take, without keyword arguments; the last checked."""
        self.waits: bool = True
        """Whether it waited for anything when it was called last. A function that has not been called probably does."""


@final
class PrivateName(str):
    """The name of a function that is not registered. Its text is ``module.qualname``; it holds the function.

    Several functions may have the same text, because a module was loaded again or a function is made in a loop. So two
    names are equal if their functions are.
    """

    __slots__ = ("__weakref__", "function")
    function: Function

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` is the name of the same function."""
        return isinstance(other, PrivateName) and _is_same(self.function.call, other.function.call)

    def __ne__(self, other: object) -> bool:
        """Return the opposite of ``==``: the method of ``str`` would compare the texts."""
        return not self == other

    __hash__ = str.__hash__


@final
class Functions:
    """The registered functions, and the way from a target to its function."""

    def __init__(self) -> None:
        self._by_name: dict[str, Function] = {}
        self._names: frozenset[str] | None = None
        self.on_register: Callable[[], None] = _nothing
        """Called when a function was registered: jobs of a store may have waited for it."""
        self._registered: dict[int, str] = {}
        """The name under which a function was registered last, by the ``id`` of the function."""
        self._of_sets: dict[int, str] = {}
        """The same for functions that were registered because they are in a job set."""
        self._names_of_sets: set[str] = set()
        self._last: Callable[[], PrivateName | None] = _no_name
        """Returns the private name that was made last, if a job still holds it."""

    def register(self, name: str, fn: Callable[..., Any], aliases: Iterable[str]) -> None:
        """Give a function a name, and the names that it had before: stored jobs find it by any of them."""
        check_callable(fn)
        fn = _plain(fn)
        names = [_validation.text("name", name), *_validation.texts("aliases", aliases, "['old.name']")]
        for each in names:
            known = self._by_name.get(each)
            if known is not None and not guard.equal(known.call, fn) and not _is_reloaded(known.call, fn):
                raise ConfigurationError(f"another function is registered as {each!r}", parameter="name")
        function = Function(fn)
        for each in names:
            self._by_name[each] = function
        self._changed()
        self._registered[id(fn)] = names[0]

    def _changed(self) -> None:
        self._names = None
        self.on_register()

    @property
    def names(self) -> frozenset[str]:
        """The names of the registered functions."""
        if self._names is None:
            self._names = frozenset(self._by_name)
        return self._names

    def register_of_set(self, name: str, fn: Callable[..., Any]) -> str:
        """Register a function of a job set, and return its target: the name that it was given by `register`, or this.

        The set is applied again when it has changed, so the name may stand for a different function then.
        """
        check_callable(fn)
        fn = _plain(fn)
        known = self._by_name.get(name)
        if known is not None and name not in self._names_of_sets and not _is_same(known.call, fn):
            message = f"another function is registered as {name!r}, which is the name of a function of the set"
            raise ConfigurationError(message, parameter="job_set")
        self._names_of_sets.add(name)
        self._by_name[name] = Function(fn)
        self._changed()
        self._of_sets[id(fn)] = name
        return self._name_in(self._registered, fn) or name

    def stored_target(self, fn: Callable[..., Any] | str) -> str:
        """Return the target of a function that a durable store can keep: a name under which it is registered.

        Raises:
            ConfigurationError: It is not registered; the message says what to write.
        """
        if isinstance(fn, str):
            return self.target(fn)
        check_callable(fn)
        fn = _plain(fn)
        name = self._name_in(self._registered, fn) or self._name_in(self._of_sets, fn)
        if name is None:
            raise ConfigurationError(_how_to_register(fn), parameter="fn")
        return name

    def _name_in(self, names: Mapping[int, str], fn: Callable[..., Any]) -> str | None:
        """Return the name of a function in one of the tables by ``id``, as long as the name still stands for it."""
        name = names.get(id(fn))
        if name is not None and self._by_name[name].call is fn:
            return name
        # An equal one, such as a bound method, which is a new object each time it is read.
        return next((each for each in names.values() if _is_same(self._by_name[each].call, fn)), None)

    def target(self, fn: Callable[..., Any] | str) -> str:
        """Return the target of a function, or of the name of a registered function."""
        if isinstance(fn, str):
            name = str.__str__(fn)
            if name not in self._by_name:
                message = f"no function is registered as {name!r}: write scheduler.register({name!r}, …) before"
                raise ConfigurationError(message, parameter="fn")
            return name
        fn = _plain(fn)
        # Jobs that are submitted one after the other often have the same function: they share its private name.
        last = self._last()
        if last is not None and last.function.call is fn:
            return last
        check_callable(fn)
        named = unwrapped(fn)
        module = guard.call(getattr, named, "__module__", None)[0]
        name = PrivateName(f"{module if type(module) is str else '?'}.{name_of(named)}")
        name.function = Function(fn)
        self._last = weakref.ref(name)  # The function may be a partial or a method, and keep large objects alive.
        return name

    def check(self, target: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> None:
        """Refuse arguments that the function of a target does not take. An unknown target passes."""
        function = target.function if isinstance(target, PrivateName) else self._by_name.get(target)
        if function is None or (not kwargs and function.takes == len(args)):
            return
        check_arguments(function.call, args, kwargs or {})
        if not kwargs:
            function.takes = len(args)

    def resolve(self, target: str) -> Function:
        """Return the function of a target."""
        return target.function if isinstance(target, PrivateName) else self._by_name[target]


def _how_to_register(fn: Callable[..., Any]) -> str:
    """Return the text of the error for a function that has no name by which a restart finds it."""
    named = unwrapped(fn)
    name = name_of(named)
    if isinstance(fn, functools.partial):
        what, write = "a partial", f"register {name} itself, and give all its arguments to add_job"
    elif inspect.ismethod(fn):
        what, write = "a bound method", f"give it a name after each start, scheduler.register('{name}', the_method)"
    elif name.endswith("<lambda>"):
        what, write = "a lambda", "write a function with def, and register it, scheduler.register('its.name', it)"
    elif "<locals>" in name:
        what, write = "a function inside of a function", "define it in a module, and register it, scheduler.register(…)"
    else:
        what, write = "not registered", f"write scheduler.register('{name}', …) before, or put it in a JobSet"
    shown = guard.shown(cast("object", fn))
    return f"fn is {shown}, {what}, which a durable store cannot find again after a restart: {write}"


def _nothing() -> None:
    """Do nothing: there is no store."""


def _no_name() -> PrivateName | None:
    """Return no name: there is no last one yet."""
    return None


def _is_reloaded(before: Callable[..., Any], now: Callable[..., Any]) -> bool:
    """Return whether two functions have the same module and qualified name: the module has been loaded again."""
    places = [(getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)) for fn in (before, now)]
    module, qualname = places[0]
    return module is not None and qualname is not None and "<" not in qualname and places[0] == places[1]


def _plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside of a static method, which the class would return; any other function as it is."""
    while isinstance(fn, staticmethod):
        fn = fn.__func__
    return fn


def _is_same(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if isinstance(one, functools.partial) and isinstance(other, functools.partial):
        given = (one.args, one.keywords), (other.args, other.keywords)
        return _is_same(one.func, other.func) and guard.equal(*given)
    return guard.equal(cast("object", one), other)


def _is_async(fn: Callable[..., Any]) -> bool:
    fn = unwrapped(fn)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(type(fn), "__call__", None))  # noqa: B004  (not to see if it is callable)
