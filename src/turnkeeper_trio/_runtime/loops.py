"""Event loops: which one runs here, and what the runtime needs of asyncio and trio, imported only if they run.

A program runs on one of them, and to import the other would take longer than to import this library. If a module has
not been imported, no event loop of it runs. So the names `asyncio` and `trio` here stand for modules that are imported
when an attribute is first read, which only code for that event loop does.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import Deferred

__all__ = ["admit_ctrl_c", "asyncio", "defer_ctrl_c", "in_trio", "is_cancellation", "running_loop", "trio"]

if TYPE_CHECKING:
    import asyncio

    import trio
else:
    asyncio: Final = Deferred("asyncio")
    trio: Final = Deferred("trio")


def in_trio() -> bool:
    """Return whether the running event loop is trio's."""
    # Another thread may be importing trio just now: then it has no attribute yet, and nothing runs in it.
    in_trio_run: Callable[[], bool] | None = getattr(sys.modules.get("trio.lowlevel"), "in_trio_run", None)
    return in_trio_run is not None and in_trio_run()


def running_loop() -> object:
    """Return the object that identifies the event loop of this thread; ``None`` if none runs."""
    if in_trio():
        return trio.lowlevel.current_trio_token()
    get_running_loop: Callable[[], object] | None = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    if get_running_loop is None:
        return None
    try:
        return get_running_loop()
    except RuntimeError:
        return None


def is_cancellation(error: BaseException | None) -> bool:
    """Return whether an error is the cancellation of a task, on either event loop."""
    found = (
        getattr(sys.modules.get("asyncio"), "CancelledError", None),
        getattr(sys.modules.get("trio"), "Cancelled", None),
    )
    return any(kind is not None and guard.is_a(error, kind) for kind in found)


def defer_ctrl_c(*functions: Callable[..., Any]) -> None:
    """On trio, have a Ctrl-C that comes while one of these functions executes wait for the main task.

    As ``trio.lowlevel.enable_ki_protection`` does, which would have to be imported to decorate them.
    """
    if in_trio():
        for function in functions:
            trio.lowlevel.enable_ki_protection(function)


def admit_ctrl_c(*functions: Callable[..., Any]) -> None:
    """On trio, have a Ctrl-C interrupt these functions, although one that calls them defers it."""
    if in_trio():
        for function in functions:
            trio.lowlevel.disable_ki_protection(function)
