"""Cancel scopes that a job left open.

A job can enter a cancel scope and not leave it: an async generator that yields inside of ``move_on_after`` and that
nobody exhausts does so. The task is spoilt from then on, and with it a worker: what the worker does next would be cut
off by a scope that it knows nothing of. trio closes such a scope with the one around it, and says so by an error; anyio
on asyncio refuses to leave the one around it. Nothing public tells the innermost scope of a task, or closes it, so this
looks where trio and anyio keep it.
"""

import asyncio
import sys
from typing import Any, final

import anyio
import trio

from turnkeeper_trio._runtime.clock import in_trio


@final
class Nesting:
    """Remembers the innermost cancel scope of the current task, and tells whether it is another now."""

    __slots__ = ("_field", "_innermost", "_owner")

    def __init__(self) -> None:
        """Remember it."""
        self._owner: Any
        if in_trio():
            self._owner, self._field = trio.lowlevel.current_task(), "_cancel_status"
        else:
            states = sys.modules["anyio._backends._asyncio"].__dict__["_task_states"]
            self._owner, self._field = states[asyncio.current_task()], "cancel_scope"
        self._innermost = getattr(self._owner, self._field, None)

    @property
    def broken(self) -> bool:
        """Whether a scope was entered since, and not left."""
        return getattr(self._owner, self._field, None) is not self._innermost

    def mend(self, scope: anyio.CancelScope) -> None:
        """Make it possible to leave ``scope``, which was the innermost, and have it be left.

        Raises:
            RuntimeError: always.
        """
        if self._field == "cancel_scope":
            while self._owner.cancel_scope is not scope:
                self._owner.cancel_scope.__exit__(None, None, None)
        raise RuntimeError("the job left a cancel scope of its own open")
