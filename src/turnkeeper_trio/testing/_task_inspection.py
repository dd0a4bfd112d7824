"""Which tasks there are, where each of them is suspended, and which of them a scheduler has left alive."""

import asyncio
from contextvars import Context
from typing import Any

import anyio
import trio

from turnkeeper_trio._runtime.loops import in_trio
from turnkeeper_trio._runtime.run_context import CURRENT_RUN
from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio._runtime.stacks import suspended_frames

AnyTask = asyncio.Task[Any] | trio.lowlevel.Task


def alive() -> dict[int, str]:
    """Return the names of all tasks of the running loop, by their ids."""
    return {info.id: info.name or "?" for info in anyio.get_running_tasks()}


def current_task() -> AnyTask:
    """Return the running task, of trio or of asyncio."""
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_task()
    task = asyncio.current_task()
    assert task is not None
    return task


def trio_tasks() -> list[trio.lowlevel.Task]:
    """Return all tasks of the current run of trio, parents before their children."""
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root is not None else []
    for task in tasks:  # the list grows during the loop
        for nursery in task.child_nurseries:
            tasks.extend(nursery.child_tasks)
    return tasks


def name(task: AnyTask) -> str:
    """Return the name of a task, of trio or of asyncio."""
    return task.get_name() if isinstance(task, asyncio.Task) else task.name


def stack(task: AnyTask) -> str:
    """Return the stack of a suspended task as text, the outermost call first."""
    coro = task.get_coro() if isinstance(task, asyncio.Task) else task.coro
    calls = ((frame.f_code, frame.f_lineno) for frame in suspended_frames(coro))
    return "\n".join(f'  File "{code.co_filename}", line {line}, in {code.co_qualname}' for code, line in calls)


def leaks(scheduler: Scheduler) -> list[str]:
    """Return the tasks of jobs that are still alive although the scheduler has ended, in words.

    A task belongs to a job if it was started in the context of one of the job's runs.
    """
    tasks: list[AnyTask] = list(trio_tasks() if in_trio() else asyncio.all_tasks())
    found: list[str] = []
    for task in tasks:
        context: Context | None = getattr(task, "context", None)
        run = None if context is None else context.get(CURRENT_RUN)
        if run is not None and run.host is scheduler:
            found.append(f"still alive: the task {name(task)!r}, started by the job {run.name!r}, at\n{stack(task)}")
    return sorted(found)
