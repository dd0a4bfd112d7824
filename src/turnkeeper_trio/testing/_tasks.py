"""Which tasks there are, and where each of them stands."""

import asyncio
from typing import Any

import anyio
import trio

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
    lines: list[str] = []
    while coro is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coro, f"{kind}_frame", None)
            if frame is not None:
                code = frame.f_code
                lines.append(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_qualname}')
                coro = getattr(coro, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return "\n".join(lines)
    return "\n".join(lines)
