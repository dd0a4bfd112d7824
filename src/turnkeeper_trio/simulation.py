"""`simulate`, a dry run: what would run when, from the real engine, without an event loop and without running a job."""

import random
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final, final
from uuid import UUID

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.engine import Attempt, AttemptResult, Effects, Engine, NoScope, Options, Submission
from turnkeeper_trio._model.deferred import DateTime
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.text import duration_text, listed
from turnkeeper_trio._model.times import Now, seconds, utc_pendulum
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.events import OccurrenceMissed, OccurrenceSkipped, Wanted
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import OnConflict

__all__ = ["SimulatedRun", "Simulation", "simulate"]

Duration = float | timedelta
Durations = Duration | Mapping[str, Duration] | Callable[[str, DateTime], Duration]
"""How long runs take: one duration for all, a mapping by name, or a function of the name and the scheduled instant."""


@final
@dataclass(frozen=True, slots=True)
class SimulatedRun(Record):
    """An attempt, or an occurrence that would not run (``count`` of them in a row)."""

    name: str
    scheduled_at: DateTime
    started_at: DateTime | None
    """When it would start; ``None`` if it would not."""

    finished_at: DateTime | None
    worker: int | None
    """The number of the worker that would execute it, from 0 on; ``None`` if it would not run."""

    lateness: float | None
    """The seconds from ``scheduled_at`` to ``started_at``; ``None`` if it would not run."""

    outcome: Outcome
    reason: str
    count: int = 1

    def __str__(self) -> str:
        """Return the row in one line: ``report: succeeded, 2026-01-05 08:00:00 UTC, took 30.0 s, worker 0``."""
        scheduled, name, outcome, late, took, worker, reason = _line(self)
        late, took = f"{late} late" if late else "", f"took {took}" if took else ""
        parts = [outcome.replace("_", " "), f"{scheduled} UTC", late, took, f"worker {worker}" if worker else ""]
        return f"{name}: {listed(parts)}" + (f": {reason}" if reason else "")


@final
@dataclass(frozen=True, slots=True)
class Simulation(Record):
    """What would happen: a row for each attempt, and for each occurrence that would not run. ``str`` makes a table."""

    rows: tuple[SimulatedRun, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[SimulatedRun]:
        return iter(self.rows)

    def __str__(self) -> str:
        head = ("scheduled (UTC)", "name", "outcome", "late", "took", "worker", "")
        lines = [head, *(_line(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _line(row: SimulatedRun) -> tuple[str, ...]:
    took = None if row.started_at is None or row.finished_at is None else (row.finished_at - row.started_at)
    return (
        row.scheduled_at.format("YYYY-MM-DD HH:mm:ss"),
        row.name,
        row.outcome if row.count == 1 else f"{row.outcome} ({row.count})",
        duration_text(row.lateness) if row.lateness else "",
        duration_text(took.total_seconds()) if took else "",
        "" if row.worker is None else str(row.worker),
        row.reason,
    )


def simulate(
    requests: RecurringJobRequest | Iterable[RecurringJobRequest],
    *,
    start: datetime,
    end: datetime,
    durations: Durations = 0,
    max_workers: int,
    rng: random.Random | None = None,
) -> Simulation:
    """Return which runs would begin when, on which worker and how late, and which would be skipped.

    The real engine decides, with a clock that is only counted: overlap, priorities, jitter, timeouts and retries are as
    in a scheduler. A run that takes longer than its timeout times out, and is tried again by its retry policy. Every
    other run succeeds.

    Args:
        requests: The requests of the jobs, all submitted at ``start``.
        start: The instant at which the scheduler would be opened, an aware datetime.
        end: Runs begin before this instant, an aware datetime. Those that have begun are run to their end.
        durations: How long runs take, in seconds or as ``timedelta``: one for all, a mapping by name (0 for a name that
            is missing), or a function of the name and the scheduled instant.
        max_workers: How many runs may execute at once.
        rng: The source of chance for jitter and retry policies; if it is not given, one with a fixed seed, so that the
            result is always the same.

    Raises:
        ConfigurationError: An instant has no timezone, ``end`` is before ``start``, a duration is negative, or a
            different argument makes no sense.
    """
    first, last = _validation.instant("start", start), _validation.instant("end", end)
    if last < first:
        raise ConfigurationError(f"end ({end}) must not be before start ({start})", parameter="end")
    workers = _validation.integer("max_workers", max_workers, least=1)
    listed = [requests] if isinstance(requests, RecurringJobRequest) else list(requests)
    dry_run = _DryRun(workers, durations, rng or random.Random(0), first)  # noqa: S311  (for jitter)
    for number, request in enumerate(listed):
        dry_run.submit(number, _validation.instance("requests", request, RecurringJobRequest, "RecurringJobRequests"))
    return Simulation(dry_run.rows(last))


@final
class _DryRun:
    """The engine with a clock that jumps to the next thing to do, and workers that execute nothing."""

    def __init__(self, workers: int, durations: Durations, rng: random.Random, start: int) -> None:
        numbers = count(1)
        options = Options(max_workers=workers, dispatch_buffer=0, history_limit=0)
        self._engine: Final = Engine(options, new_id=lambda: UUID(int=next(numbers)), rng=rng)
        self._engine.listening = Wanted({OccurrenceMissed, OccurrenceSkipped}.__contains__)
        self._durations = durations
        self._now = Now(start, 0)
        self._free = list(range(workers))
        self._busy: list[tuple[int, int, int, Attempt]] = []
        """The attempts that have begun, by when they end: that instant, their order, the worker, the attempt."""
        self._begun = 0
        self._rows: list[SimulatedRun] = []

    def submit(self, number: int, request: RecurringJobRequest) -> None:
        """Submit a job; its id is made from ``number``."""
        submission = Submission(UUID(int=number), request, request.name, (), None, OnConflict.RAISE)
        self._engine.accept(self._now, submission)

    def rows(self, end: int) -> tuple[SimulatedRun, ...]:
        """Go on until ``end`` has come and each attempt that has begun has ended; return the rows, sorted."""
        while True:
            self._end_attempts()
            if self._now.wall < end:
                self._engine.take_due(self._now)
            self._act(self._engine.take_effects())
            due = self._engine.next_due(self._now) if self._now.wall < end else None
            ahead = [at for at in (due, self._busy[0][0] if self._busy else None) if at is not None]
            if not ahead or (min(ahead) >= end and not self._busy):
                return tuple(sorted(self._rows, key=lambda row: (row.scheduled_at, row.started_at or row.scheduled_at)))
            self._now = Now(min(ahead), self._now.loop + min(ahead) - self._now.wall)

    def _act(self, effects: Effects) -> None:
        """Do what the engine has decided: cancel attempts, begin attempts, and add the rows of what will not run."""
        for attempt in effects.cancels:
            index = next(index for index, busy in enumerate(self._busy) if busy[-1] is attempt)
            _, begun, worker, _ = self._busy.pop(index)
            attempt.ending = AttemptResult.CUT_OFF
            insort(self._busy, (self._now.wall, begun, worker, attempt))
        for attempt in effects.assignments:
            self._begin(attempt)
        for event in effects.events:
            if isinstance(event, OccurrenceSkipped | OccurrenceMissed):
                self._rows.append(_not_run(event))

    def _begin(self, attempt: Attempt) -> None:
        request = attempt.run.job.request
        attempt.claim(self._now, NoScope())
        took = self._duration(request.name, attempt.run.occurrence.scheduled_at)
        attempt.ending = AttemptResult.RETURNED
        if request.timeout_us is not None and took > request.timeout_us:
            took, attempt.ending = request.timeout_us, AttemptResult.TIMED_OUT
        self._begun += 1
        insort(self._busy, (self._now.wall + took, self._begun, self._free.pop(0), attempt))

    def _end_attempts(self) -> None:
        while self._busy and self._busy[0][0] <= self._now.wall:
            _, _, worker, attempt = self._busy.pop(0)
            insort(self._free, worker)
            attempt.end(self._now, attempt.ending)
            self._rows.append(_ran(attempt, worker))
            self._engine.report(self._now, attempt)

    def _duration(self, name: str, scheduled_at: int) -> int:
        durations = self._durations
        if isinstance(durations, Mapping):
            by_name: Mapping[str, Duration] = durations  # pyright: ignore[reportUnknownVariableType]  (the user's)
            return _validation.duration(f"durations[{name!r}]", by_name.get(name, 0))
        if callable(durations):
            return _validation.duration(f"durations({name!r}, ...)", durations(name, utc_pendulum(scheduled_at)))
        return _validation.duration("durations", durations)


_OUTCOMES: Final = {
    AttemptResult.RETURNED: Outcome.SUCCEEDED,
    AttemptResult.TIMED_OUT: Outcome.TIMED_OUT,
    AttemptResult.CUT_OFF: Outcome.CANCELLED,
}


def _ran(attempt: Attempt, worker: int) -> SimulatedRun:
    occurrence = attempt.run.occurrence
    return SimulatedRun(
        name=attempt.run.job.request.name,
        scheduled_at=utc_pendulum(occurrence.scheduled_at),
        started_at=utc_pendulum(attempt.started.wall),
        finished_at=utc_pendulum(attempt.ended.wall),
        worker=worker,
        lateness=seconds(attempt.started.wall - occurrence.scheduled_at),
        outcome=_OUTCOMES[attempt.ending],
        reason="" if attempt.number == 1 else f"attempt {attempt.number}",
    )


def _not_run(event: OccurrenceSkipped | OccurrenceMissed) -> SimulatedRun:
    return SimulatedRun(
        name=event.name,
        scheduled_at=event.scheduled_at,
        started_at=None,
        finished_at=None,
        worker=None,
        lateness=None,
        outcome=event.outcome if isinstance(event, OccurrenceSkipped) else Outcome.MISSED,
        reason=event.reason,
        count=event.count if isinstance(event, OccurrenceMissed) else 1,
    )


set_public_path(simulate)
