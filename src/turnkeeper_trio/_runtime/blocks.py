"""What is entered by ``async with`` and written as a generator of one ``yield``.

`contextlib.asynccontextmanager` does that, too, but it writes to the error that leaves the block, by the error's own
``__setattr__``: a frozen dataclass refuses, and what left was its refusal.
"""

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, final

from turnkeeper_trio._model import guard

P = ParamSpec("P")
T = TypeVar("T")


@final
class Block(AbstractAsyncContextManager[T], Generic[T]):
    """One block: what stands before the ``yield`` enters it, what stands after it leaves it."""

    def __init__(self, steps: AsyncGenerator[T]) -> None:
        """Make a block of a generator that has not begun."""
        self._steps = steps

    async def __aenter__(self) -> T:
        """Enter it.

        Raises:
            RuntimeError: it has been entered before.
        """
        async for entered in self._steps:
            return entered
        raise RuntimeError("this block has been left, and cannot be entered again: make another")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Leave it; what leaves is the very error that came, where it is not another that is raised."""
        try:
            await (self._steps.asend(None) if error is None else self._steps.athrow(error))  # noqa: ASYNC102  (the steps shield)
        except StopAsyncIteration as exc:
            return exc is not error  # noqa: ASYNC910  (the steps decide)
        except BaseException as exc:  # noqa: ASYNC103  (what came leaves, because False is returned)
            if error is None or not (exc is error or _stands_for(exc, error)):
                raise
            guard.set_traceback(error, trace)
            return False  # noqa: ASYNC104, ASYNC910  (what came leaves)
        raise RuntimeError("a block has one yield")


def _stands_for(exc: BaseException, error: BaseException) -> bool:
    """Return whether Python made the one of the other, which a generator must not raise."""
    return guard.is_a(error, (StopIteration, StopAsyncIteration)) and guard.cause_of(exc) is error


def block(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """Have an asynchronous generator of one ``yield`` be entered by ``async with``."""

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return Block(function(*args, **kwargs))

    make.__returns_acontextmanager__ = True  # type: ignore[attr-defined]  # so the reference writes ``async with``
    return make
