"""Draws the timelines of the documentation from real runs, in virtual time: ``python docs/timelines.py``.

Each second the scheduler is asked what is active; what did not run is taken from its events. Nothing is drawn that it
did not say. ``tests/docs/test_timelines.py`` holds the pages against what this draws.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
import trio
import trio.testing

from turnkeeper_trio import (
    CatchUp,
    FixedRetryDelay,
    Interval,
    OccurrenceMissed,
    OccurrenceSkipped,
    Overlap,
    RecurringJobRequest,
    RunFinished,
    RunPhase,
    Scheduler,
    open_scheduler,
)

CELLS = {
    RunPhase.QUEUED: "░",
    RunPhase.EXECUTING: "█",
    RunPhase.WAITING_RETRY: "·",
    RunPhase.CLEANING_UP: "▒",
    RunPhase.STUCK: "!",
}
"""How a second of a run in each phase is drawn."""

DID_NOT_RUN = "×"
EVERY = 10
"""The jobs that are drawn have an occurrence every so many seconds, from the first such second on."""


@dataclass
class Recorder:
    """What happened, by the instant (in seconds) of each occurrence."""

    start: datetime
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
        self.cells.setdefault(at, {}).setdefault(at, DID_NOT_RUN)
        self.ends[at] = f"{event.outcome}: {event.reason}"

    def on_occurrence_missed(self, event: OccurrenceMissed) -> None:
        last = self.second(event.scheduled_at)
        for at in range(last - EVERY * (event.count - 1), last + 1, EVERY):
            self.cells.setdefault(at, {}).setdefault(at, DID_NOT_RUN)
            self.ends[at] = f"missed: {event.reason}"

    def draw(self, until: int, first: int = EVERY) -> str:
        """Return a ruler, and a line for each occurrence."""
        instants = range(first, until, EVERY)
        lines = ["    " + "".join(f"{at:<{EVERY}}" for at in instants).rstrip()]
        lines.append("    " + "".join(f"{'|':<{EVERY}}" for _ in instants).rstrip())
        for at, cells in sorted(self.cells.items()):
            row = "".join(cells.get(second, " ") for second in range(first, until)).rstrip()
            lines.append(f"{at:<4}{row}  {self.ends.get(at, '')}".rstrip())
        return "\n".join(lines)


Script = Callable[[Scheduler, Any], Awaitable[None]]


def timeline(
    body: Callable[[], Awaitable[object]], *, until: int, script: Script | None = None, first: int = EVERY, **rules: Any
) -> str:
    """Run a job by these rules for so many seconds, while a script does something to it, and draw what happened."""

    async def main() -> str:
        recorder: Recorder
        async with open_scheduler(max_workers=8, shutdown_grace=0, observers=[Late(lambda: recorder)]) as scheduler:
            recorder = Recorder(scheduler.now())
            request = RecurringJobRequest("job", Interval(seconds=EVERY), **rules)
            job_id = await scheduler.add_job(request, body)
            async with anyio.create_task_group() as tasks:
                if script is not None:
                    tasks.start_soon(script, scheduler, job_id)
                await anyio.sleep(first + 0.5)
                for second in range(first, until):
                    for run in await scheduler.list_active_runs():
                        cells = recorder.cells.setdefault(recorder.second(run.scheduled_at), {})
                        cells[second] = CELLS[run.phase]
                    await anyio.sleep(1)
                tasks.cancel_scope.cancel()
            return recorder.draw(until, first)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


class Late:
    """An observer that is made only when the scheduler is open."""

    def __init__(self, get: Callable[[], Recorder]) -> None:
        self._get = get

    def __getattr__(self, name: str) -> Any:
        if name not in {"on_run_finished", "on_occurrence_skipped", "on_occurrence_missed"}:
            raise AttributeError(name)
        return lambda event: getattr(self._get(), name)(event)


def body(*durations: float, cleanup: float = 0, fails: int = 0) -> Callable[[], Awaitable[object]]:
    """Return a job: its first calls take so long, all later ones as long as the last; the first so many fail."""
    calls = 0

    async def job() -> object:
        nonlocal calls
        calls += 1
        number = calls
        try:
            await anyio.sleep(durations[min(number, len(durations)) - 1])
        finally:
            if cleanup:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(cleanup)
        return number > fails

    return job

if __name__ == "__main__":
    for o in Overlap:
        print(o); print(timeline(body(25,4, cleanup=0), until=70, overlap=o))
    print(timeline(body(60,4, cleanup=3), until=70, overlap=Overlap.CANCEL_OTHER))
    print(timeline(body(60,4, cleanup=13), until=70, overlap=Overlap.CANCEL_OTHER))
    print(timeline(body(25,25,4), until=90, overlap=Overlap.ALLOW_ALL, max_concurrent=2))
    print(timeline(body(3), until=70, overlap=Overlap.SKIP, max_retries=2, retry=FixedRetryDelay(12)))
    print(timeline(body(3, fails=1), until=70, overlap=Overlap.SKIP, max_retries=2, retry=FixedRetryDelay(12)))
    print(timeline(body(3, fails=1), until=70, overlap=Overlap.SKIP, max_retries=2, retry=FixedRetryDelay(12), retry_past_next=True))
    async def pause(s, j):
        await anyio.sleep(25); await s.pause_all(); await anyio.sleep(38); await s.resume_all()
    for c in CatchUp:
        print(c); print(timeline(body(4), until=90, script=pause, catch_up=c))
    for c in CatchUp:
        print(c); print(timeline(body(4), until=90, script=pause, catch_up=c, overlap=Overlap.BUFFER_ALL))
    async def pause(s, j):
        await anyio.sleep(25); await s.pause_job(j); await anyio.sleep(38); await s.resume_job(j)
    for c in CatchUp:
        print(c); print(timeline(body(4), until=90, script=pause, catch_up=c))
