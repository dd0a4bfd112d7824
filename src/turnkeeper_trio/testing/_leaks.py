"""Tasks that outlive their scheduler: its own, and those that its jobs started."""

import asyncio
from contextvars import Context

from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.context import CURRENT_RUN
from turnkeeper_trio._runtime.handle.scheduler import Scheduler
from turnkeeper_trio.testing._tasks import AnyTask, name, stack, trio_tasks


def leaks(scheduler: Scheduler) -> list[str]:
    """Return what is alive of a scheduler that has ended, in words. A task belongs to a job if a job started it."""
    tasks: list[AnyTask] = list(trio_tasks() if in_trio() else asyncio.all_tasks())
    found: list[str] = []
    for task in tasks:
        context: Context | None = getattr(task, "context", None)
        run = None if context is None else context.get(CURRENT_RUN)
        if run is not None and run.host is scheduler:
            found.append(f"still alive: the task {name(task)!r}, started by the job {run.name!r}, at\n{stack(task)}")
    return sorted(found)
