"""`HostedScheduler`: a scheduler whose ``async with`` block runs in its own task.

The task that entered an ``async with`` block must also leave it. But plugins of pytest may set a fixture up in one task
and tear it down in a different one. So the block runs in its own task, and set-up and tear-down only wait for it.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, final

import anyio
import trio

from turnkeeper_trio._runtime.loops import in_trio
from turnkeeper_trio._runtime.opening import open_scheduler
from turnkeeper_trio._runtime.scheduler import Scheduler


@final
class HostedScheduler:
    """A scheduler with these options of `open_scheduler`, and the task in which its block runs."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._changed = anyio.Event()
        self._leave = anyio.Event()
        self._ended = anyio.Event()
        self._scheduler: Scheduler | None = None
        self._error: BaseException | None = None
        self._task: object = None

    async def open(self) -> Scheduler:
        """Open the scheduler in a new task, wait until it is open, and return it.

        Raises what opening it raises.
        """
        self._task = _start(self._host)
        await self._changed.wait()
        if self._scheduler is None:
            await self.close()
        assert self._scheduler is not None
        return self._scheduler

    async def close(self) -> None:
        """Have the task leave the block, wait until it has, and raise what left the block.

        Raises:
            AssertionError: A `KeyboardInterrupt` or `SystemExit` left it.
        """
        self._leave.set()
        await self._ended.wait()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise AssertionError(f"the scheduler ended the program: {self._error!r}") from self._error

    async def _host(self) -> None:
        try:
            async with open_scheduler(**self._options) as self._scheduler:
                self._changed.set()
                await self._leave.wait()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as exc:  # noqa: BLE001  (`close` raises it)
            self._error = exc
        finally:
            self._changed.set()
            self._ended.set()


def _start(host: Callable[[], Any]) -> object:
    """Start a task outside of any task group, and return it, because asyncio's loop refers to tasks only weakly."""
    name = "the host of the fixture 'scheduler'"
    if in_trio():
        return trio.lowlevel.spawn_system_task(host, name=name, context=copy_context())
    return asyncio.get_running_loop().create_task(host(), name=name)
