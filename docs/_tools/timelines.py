"""Draws the timelines of the documentation from real runs, in virtual time.

``python docs/_tools/timelines.py`` puts them into the pages. At each step the scheduler is asked what is active; how a
run ended, and what did not run, is taken from its events. Nothing is drawn that the scheduler did not say.
``tests/docs/test_drawings.py`` compares the pages with it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import trio
import trio.testing

from turnkeeper_trio import (
    CatchUp,
    FixedRetryDelay,
    Interval,
    Overlap,
    RecurringJobRequest,
    RunPhase,
    Scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import OccurrenceMissed, OccurrenceSkipped, RunFinished

CELLS = {
    RunPhase.QUEUED: "░",
    RunPhase.EXECUTING: "█",
    RunPhase.WAITING_RETRY: "·",
    RunPhase.CLEANING_UP: "▒",
    RunPhase.STUCK: "!",
}
"""How a run in each phase is drawn."""

DID_NOT_RUN = "x"
STEP = 2
"""How many seconds a character stands for."""

FIRST = 10
"""What happens before is not drawn: nothing."""

Body = Callable[[], Awaitable[object]]
Script = Callable[[Scheduler, Any], Awaitable[None]]


@dataclass
class Recorder:
    """What happened to each occurrence, by its instant in seconds."""

    every: int
    start: datetime = field(init=False)
    cells: dict[int, dict[int, str]] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)

    def second(self, at: datetime) -> int:
        return round((at - self.start).total_seconds())

    def on_run_finished(self, event: RunFinished) -> None:
        record = event.record
        why = f": {record.reason}" if record.reason else ""
        self.ends[self.second(record.scheduled_at)] = f"{record.outcome.replace('_', ' ')}{why}"

    def on_occurrence_skipped(self, event: OccurrenceSkipped) -> None:
        at = self.second(event.scheduled_at)
        self.cells.setdefault(at, {at: DID_NOT_RUN})
        self.ends[at] = f"{event.outcome}: {event.reason}"

    def on_occurrence_missed(self, event: OccurrenceMissed) -> None:
        last = self.second(event.scheduled_at)
        for at in range(last - self.every * (event.count - 1), last + 1, self.every):
            self.cells.setdefault(at, {at: DID_NOT_RUN})
            self.ends[at] = f"missed: {event.reason}"

    async def look(self, scheduler: Scheduler, second: int) -> None:
        """Note in which phase each active run is."""
        for run in await scheduler.list_active_runs():
            self.cells.setdefault(self.second(run.scheduled_at), {})[second] = CELLS[run.phase]

    def draw(self, until: int) -> str:
        """Return a ruler, and a line for each occurrence."""
        ruler = "".join(f"{at:<{10 // STEP}}" for at in range(FIRST, until, 10)).rstrip()
        lines = [f"seconds  {ruler}"]
        for at, cells in sorted(self.cells.items()):
            row = "".join(cells.get(second, " ") for second in range(FIRST, until, STEP)).rstrip()
            lines.append(f"{at:>7}  {row}  {self.ends.get(at, '')}".rstrip())
        return "\n".join(lines)


def timeline(
    make: Callable[[], Body], *, until: int, every: int = 10, script: Script | None = None, **rules: Any
) -> str:
    """Run a new job by these rules for so many seconds, while a script does something to it, and draw what happened."""

    async def main() -> str:
        recorder = Recorder(every)
        async with open_scheduler(max_workers=8, shutdown_grace=0, observers=[recorder]) as scheduler:
            recorder.start = scheduler.now()
            request = RecurringJobRequest("job", Interval(seconds=every), **rules)
            if every != FIRST:
                request = request.with_initial_run_time(timedelta(seconds=FIRST))
            job_id = await scheduler.add_job(request, make())
            async with anyio.create_task_group() as tasks:
                if script is not None:
                    tasks.start_soon(script, scheduler, job_id)
                for second in range(FIRST, until, STEP):
                    await anyio.sleep_until(second + STEP / 2)
                    await recorder.look(scheduler, second)
                tasks.cancel_scope.cancel()
            return recorder.draw(until)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def job(*durations: float, cleanup: float = 0, fails: int = 0) -> Body:
    """Return a job: its first calls take so long, all later ones as long as the last; the first so many fail."""
    calls = 0

    async def body() -> object:
        nonlocal calls
        calls += 1
        number = calls
        try:
            await anyio.sleep(durations[min(number, len(durations)) - 1])
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(cleanup)
            raise
        return number > fails

    return body


async def pause_everything(scheduler: Scheduler, _job_id: Any, begin: float, end: float) -> None:
    await anyio.sleep_until(begin)
    async with scheduler.paused():
        await anyio.sleep_until(end)


async def cancel_first_run(scheduler: Scheduler, job_id: Any, at: float) -> None:
    await anyio.sleep_until(at)
    run = (await scheduler.list_active_runs(job_id))[0]
    await scheduler.cancel_run(run.run_id, reason="by hand")


async def change_later(scheduler: Scheduler, job_id: Any, at: float, **changes: Any) -> None:
    await anyio.sleep_until(at)
    await scheduler.update_job(job_id, **changes)


maintenance = partial(pause_everything, begin=25, end=62)

DRAWINGS: dict[str, Callable[[], str]] = {
    **{
        f"overlap {overlap}": partial(timeline, partial(job, 26, 4, cleanup=4), until=70, overlap=overlap)
        for overlap in Overlap
    },
    "max_concurrent": partial(timeline, partial(job, 26, 26, 4), until=70, overlap=Overlap.ALLOW_ALL, max_concurrent=2),
    "superseded": partial(timeline, partial(job, 26, 4, cleanup=24), until=70, overlap=Overlap.CANCEL_OTHER),
    "retry": partial(timeline, partial(job, 2, fails=1), until=50, max_retries=1, retry=FixedRetryDelay(12)),
    "retry_past_next": partial(
        timeline, partial(job, 2, fails=1), until=50, max_retries=1, retry=FixedRetryDelay(12), retry_past_next=True
    ),
    "timeout": partial(
        timeline,
        partial(job, 60, 4, cleanup=4),
        until=50,
        every=1000,
        timeout=10,
        max_retries=1,
        retry=FixedRetryDelay(12),
    ),
    "stuck": partial(
        timeline,
        partial(job, 90, cleanup=24),
        until=60,
        every=1000,
        script=partial(cancel_first_run, at=20),
        cleanup_grace=10,
    ),
    **{
        f"catch_up {rule}": partial(timeline, partial(job, 4), until=90, script=maintenance, catch_up=rule)
        for rule in CatchUp
    },
    "start_deadline": partial(timeline, partial(job, 26, 4), until=60, overlap=Overlap.BUFFER_ALL, start_deadline=8),
    "same schedule": partial(
        timeline, partial(job, 16, 4), until=70, script=partial(change_later, at=23, overlap=Overlap.BUFFER_ONE)
    ),
    "another schedule": partial(
        timeline, partial(job, 4), until=70, script=partial(change_later, at=23, schedule=Interval(seconds=16))
    ),
}
"""By the names by which the pages ask for them."""

ASKED = re.compile(r"(<!-- timeline: (?P<name>[^>]+?) -->\n```text\n)(?P<drawn>.*?)(\n?```\n)", re.DOTALL)
"""A timeline in a page: its name in a comment, then the drawing."""


def write(pages: Path) -> None:
    """Draw every timeline anew that a page asks for."""
    for page in sorted(pages.glob("**/*.md")):
        text = page.read_text("utf-8")
        drawn = ASKED.sub(lambda found: f"{found[1]}{DRAWINGS[found['name']]()}\n```\n", text)
        page.write_text(drawn, "utf-8")


if __name__ == "__main__":
    write(Path(__file__).parents[1])
