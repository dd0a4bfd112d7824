"""Running a coroutine function on one of the event loops."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio

T = TypeVar("T")


def run(main: Callable[..., Awaitable[T]], *args, loop: str, **kwargs) -> T:
    """Run ``main`` on trio, on asyncio, or on asyncio with uvloop."""
    backend = "trio" if loop == "trio" else "asyncio"
    options = {} if loop == "trio" else {"use_uvloop": loop == "uvloop"}
    return anyio.run(partial(main, *args, **kwargs), backend=backend, backend_options=options)
