"""Blocks: asynchronous context managers that are written as a generator with one ``yield``.

`contextlib.asynccontextmanager` does the same, but it sets an attribute of the error that leaves the block. An error
that is a frozen dataclass refuses that, and then its refusal would leave the block instead of the error.
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
    """A block: the code before the ``yield`` enters it, the code after the ``yield`` leaves it."""

    def __init__(self, steps: AsyncGenerator[T]) -> None:
        """Make a block from a generator that has not begun."""
        self._steps = steps

    async def __aenter__(self) -> T:
        """Enter the block.

        Raises:
            RuntimeError: it was entered before.
        """
        async for entered in self._steps:
            return entered
        raise RuntimeError("this block has been left, and cannot be entered again: make another")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Leave the block. An error of its body leaves unchanged, unless the code after the ``yield`` raises."""
        try:
            await (self._steps.asend(None) if error is None else self._steps.athrow(error))  # noqa: ASYNC102  (each generator shields what it must)
        except StopAsyncIteration as exc:
            return exc is not error  # noqa: ASYNC910  (the steps decide)
        except BaseException as exc:  # noqa: ASYNC103  (what came leaves, because False is returned)
            if error is None or not (exc is error or _stands_for(exc, error)):
                raise
            guard.set_traceback(error, trace)
            return False  # noqa: ASYNC104, ASYNC910  (what came leaves)
        raise RuntimeError("a block has one yield")


def _stands_for(exc: BaseException, error: BaseException) -> bool:
    """Return whether Python raised ``exc`` in place of ``error``, because a generator must not raise that."""
    return guard.is_a(error, (StopIteration, StopAsyncIteration)) and guard.cause_of(exc) is error


def block(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """Make a block of each generator that the function returns: a decorator."""

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return Block(function(*args, **kwargs))

    make.__returns_acontextmanager__ = True  # type: ignore[attr-defined]  # so the reference writes ``async with``
    return make
