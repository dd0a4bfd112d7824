"""What it costs to add a job, to cancel one and to change one, with many pending: one at a time, and with 64 in flight.

The jobs are due in an hour, and those that are cancelled and changed are drawn at random (with a fixed seed). To
change one is to give it another instant, so that it moves in the queue. One is added
with a request that others share. In flight means that so many tasks do it side
by side, each awaiting its own. Peers whose calls do not await have no more than one.
"""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from suite import loops
from suite.costs import Tally, measured
from suite.subjects import Subject

FIGURES = {
    "cancel_64_us": "µs of CPU a cancel, 64 in flight",
    "update_64_us": "µs of CPU an update, 64 in flight",
    "cancel_1_us": "µs of CPU a cancel, one at a time",
    "update_1_us": "µs of CPU an update, one at a time",
    "add_64_us": "µs of CPU an add, 64 in flight",
    "add_1_us": "µs of CPU an add, one at a time",
}

LARGEST = {"turnkeeper": 1_000_000, "apscheduler3": 100_000, "apscheduler4": 100_000}
ACTS = {"turnkeeper": 5_000, "apscheduler3": 1_000, "apscheduler4": 100}
"""How many acts of each kind: fewer where one takes long."""


def settings(subject: Subject, scale: str) -> list[dict]:
    """From a thousand to a million pending."""
    if subject.family not in LARGEST or not subject.plain:
        return []
    sizes = {"smoke": (300,), "short": (1_000, 10_000, 100_000), "full": (1_000, 10_000, 100_000, 1_000_000)}[scale]
    return [{"pending": pending} for pending in sizes if pending <= LARGEST[subject.family]]


def measure(subject: Subject, *, pending: int) -> dict[str, float]:
    """Measure it once."""
    return loops.run(_measure, subject, pending, loop=subject.loop)


async def _measure(subject: Subject, pending: int) -> dict[str, float]:
    async with subject.opened(4) as opened:
        submit = opened.submitter(Tally().job, at=time.time() + 3600)
        ids = [await submit() for _ in range(pending)]
        await opened.settle()
        figures = {}
        acts = min(ACTS[subject.family], pending // 5)
        chosen = iter(random.Random(1).sample(ids, acts * 4))  # four kinds of acts, none twice on one job
        for flight in (1, 64) if subject.family == "turnkeeper" else (1,):
            for name, act in (("update", opened.update), ("cancel", opened.cancel)):
                with measured() as cost:
                    await _all(act, [next(chosen) for _ in range(acts)], flight)
                figures[f"{name}_{flight}_us"] = cost.cpu / acts * 1e6
            with measured() as cost:
                await _all(lambda _: submit(), [None] * acts, flight)
                await opened.settle()
            figures[f"add_{flight}_us"] = cost.cpu / acts * 1e6
    return figures


async def _all(act: Callable[[Any], Awaitable[None]], ids: list[Any], flight: int) -> None:
    async def some(mine: list[Any]) -> None:
        for job_id in mine:
            await act(job_id)

    if flight == 1:
        await some(ids)
        return
    async with anyio.create_task_group() as tasks:
        for number in range(flight):
            tasks.start_soon(some, ids[number::flight])
