"""Event loops on the real clock."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio


def run_really(async_fn: Callable[..., Awaitable[Any]], *args: object, backend: str) -> None:
    """Run a function on a fresh event loop: ``trio``, ``asyncio`` or ``uvloop``."""
    if backend == "uvloop":
        anyio.run(async_fn, *args, backend="asyncio", backend_options={"use_uvloop": True})
    else:
        anyio.run(async_fn, *args, backend=backend)
