"""Cancel scopes that a job left open.

A job can enter a cancel scope and not leave it: an async generator that yields inside of ``move_on_after`` and that
nobody exhausts does so. The task is spoilt from then on, and with it a worker: what the worker does next would be cut
off by a scope that it knows nothing of. trio closes such a scope with the one around it, and says so by an error; anyio
on asyncio refuses to leave the one around it. Nothing public tells the innermost scope of a task, or closes it, so this
looks where trio and anyio keep it.

A task group left open that way has child tasks, too: they are cancelled, and waited for. trio has the parent fail if it
ends with a nursery of its own open.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any, final

import anyio
import trio

from turnkeeper_trio._runtime.clock import in_trio


@final
class Nesting:
    """Remembers the innermost cancel scope of the current task, and tells whether it is another now."""

    __slots__ = ("_field", "_innermost", "_nurseries", "_owner")

    def __init__(self) -> None:
        """Remember it."""
        self._owner: Any
        if in_trio():
            self._owner, self._field = trio.lowlevel.current_task(), "_cancel_status"
        else:
            states = sys.modules["anyio._backends._asyncio"].__dict__["_task_states"]
            self._owner, self._field = states[asyncio.current_task()], "cancel_scope"
        self._innermost = getattr(self._owner, self._field, None)
        self._nurseries = len(self._owner.child_nurseries) if self._field == "_cancel_status" else 0

    @property
    def broken(self) -> bool:
        """Whether a scope was entered since, and not left."""
        return getattr(self._owner, self._field, None) is not self._innermost

    async def mend(self, scope: anyio.CancelScope) -> None:  # noqa: ASYNC910  (there may be no child task)
        """Make it possible to leave ``scope``, which was the innermost, and have it be left.

        Child tasks of the job's are cancelled and waited for, however long they take.

        Raises:
            RuntimeError: always.
        """
        error = RuntimeError("the job left a cancel scope of its own open")
        if self._field == "cancel_scope":
            while self._owner.cancel_scope is not scope:
                await _close(self._owner.cancel_scope)
        else:
            while len(self._owner.child_nurseries) > self._nurseries:
                nursery = self._owner.child_nurseries[-1]
                nursery.cancel_scope.cancel()
                # What __aexit__ does: it waits for the children, cancelled itself or not, and returns what they raised.
                error.__context__ = await nursery._nested_child_finished(None)  # noqa: SLF001  (see the module)
        raise error


async def _close(scope: Any) -> None:  # noqa: ASYNC910  (there may be no child task)
    """Cancel and leave a scope of anyio's on asyncio, and wait for the other tasks in it."""
    scope.cancel()
    scope.__exit__(None, None, None)
    with anyio.CancelScope(shield=True):
        while tasks := _tasks_in(scope):
            with suppress(asyncio.CancelledError):  # a native one, which the worker forgets
                await asyncio.wait(tasks)


def _tasks_in(scope: Any) -> set["asyncio.Task[Any]"]:
    """Return the tasks in a scope, and in those inside of it, that have not ended."""
    tasks, todo = set[asyncio.Task[Any]](), [scope]
    while todo:
        inner = todo.pop()
        tasks |= {task for task in inner._tasks if not task.done()}  # noqa: SLF001  (see the module)
        todo += inner._child_scopes  # noqa: SLF001  (see the module)
    return tasks
