"""Which tasks there are, and where each of them stands."""

import asyncio
from contextvars import Context
from typing import Any

import anyio
import trio

from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.run_context import CURRENT_RUN
from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio._runtime.stacks import frames_of

AnyTask = asyncio.Task[Any] | trio.lowlevel.Task


def alive() -> dict[int, str]:
    """Return the names of all tasks of the running loop, by their ids."""
    return {info.id: info.name or "?" for info in anyio.get_running_tasks()}


def current_task() -> AnyTask:
    """Return the running task."""
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_task()
    task = asyncio.current_task()
    assert task is not None
    return task


def trio_tasks() -> list[trio.lowlevel.Task]:
    """Return all tasks of the running trio, parents before their children."""
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root is not None else []
    for task in tasks:  # it grows underway
        for nursery in task.child_nurseries:
            tasks.extend(nursery.child_tasks)
    return tasks


def name(task: AnyTask) -> str:
    """Return the name of a task."""
    return task.get_name() if isinstance(task, asyncio.Task) else task.name


def stack(task: AnyTask) -> str:
    """Return where a suspended task stands, outermost call first."""
    coro: Any = task.get_coro() if isinstance(task, asyncio.Task) else task.coro
    frames = [(frame.f_code, frame.f_lineno) for frame in frames_of(coro)]
    return "\n".join(f'  File "{code.co_filename}", line {line}, in {code.co_qualname}' for code, line in frames)


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
