"""A dry run, which shows what would run when. It uses the real engine, calls no job and needs no event loop."""

import random
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final, final
from uuid import UUID

import pendulum

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.engine import Attempt, AttemptResult, Effects, Engine, NoScope, Options, Submission
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.text import duration_text
from turnkeeper_trio._model.times import Now, seconds, utc_pendulum
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.events import OccurrenceMissed, OccurrenceSkipped
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import OnConflict

__all__ = ["SimulatedRun", "Simulation", "simulate"]

Duration = float | timedelta
Durations = Duration | Mapping[str, Duration] | Callable[[str, pendulum.DateTime], Duration]
"""How long attempts take: one duration for all, one for each name, or a function of the name and the instant."""


@final
@dataclass(frozen=True, slots=True)
class SimulatedRun(Record):
    """A row: an attempt, or an occurrence that would not run (or ``count`` of them in a row)."""

    name: str
    """The name of the job."""

    scheduled_at: pendulum.DateTime
    """The instant of the occurrence; of several the last."""

    started_at: pendulum.DateTime | None
    """When the attempt would begin; ``None`` if the occurrence would not run."""

    finished_at: pendulum.DateTime | None
    """When the attempt would end; ``None`` if the occurrence would not run."""

    worker: int | None
    """The number of the worker that would execute the attempt; the first is 0."""

    lateness: float | None
    """Seconds from ``scheduled_at`` to ``started_at``; ``None`` if the occurrence would not run."""

    outcome: Outcome
    """How the attempt would end, or why the occurrence would not run."""

    reason: str
    """Why the occurrence would not run; or which attempt it is, if it is not the first."""

    count: int = 1
    """How many occurrences the row stands for; 1 for an attempt."""


@final
@dataclass(frozen=True, slots=True)
class Simulation(Record):
    """What would happen: a row for each attempt, and for occurrences that would not run. It prints as a table."""

    rows: tuple[SimulatedRun, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __iter__(self) -> Iterator[SimulatedRun]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __str__(self) -> str:
        """Return the rows as a table with headings."""
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
    """Return what would run when, on which worker and how late, and what would be skipped, if no attempt failed.

    It runs the real engine with its own clock, so that overlap, priorities, jitter, timeouts and retries are as they
    would be. An attempt that takes longer than its timeout times out, and is tried again by the retry policy.

    Args:
        requests: The jobs, all submitted at ``start``.
        start: When the scheduler would be opened: an aware datetime.
        end: Attempts begin before this instant. Those that have begun then continue until they end.
        durations: How long attempts take, in seconds or as ``timedelta``: one duration for all, a mapping by name (0
            where a name is missing), or a function of the name and the scheduled instant.
        max_workers: How many attempts may execute at once.
        rng: The source of chance for jitter and back-off; if not given, one with a fixed seed, so that the answer is
            always the same.

    Raises:
        ConfigurationError: an instant has no timezone, ``end`` is before ``start``, or another argument is wrong.
    """
    first, last = _validation.instant("start", start), _validation.instant("end", end)
    if last < first:
        raise ConfigurationError(f"end ({end}) must not be before start ({start})", parameter="end")
    workers = _validation.integer("max_workers", max_workers, least=1)
    listed = [requests] if isinstance(requests, RecurringJobRequest) else list(requests)
    dry_run = _DryRun(workers, durations, rng or random.Random(0), first)  # noqa: S311  (jitter is no secret)
    for number, request in enumerate(listed):
        dry_run.submit(number, _validation.instance("requests", request, RecurringJobRequest, "RecurringJobRequests"))
    return Simulation(dry_run.rows(last))


@final
class _DryRun:
    """The engine, a clock that jumps to the next event, and workers that are busy for the duration of an attempt."""

    def __init__(self, workers: int, durations: Durations, rng: random.Random, start: int) -> None:
        numbers = count(1)
        options = Options(max_workers=workers, dispatch_buffer=0, history_limit=0)
        self._engine: Final = Engine(options, new_id=lambda: UUID(int=next(numbers)), rng=rng)
        self._engine.listening = True
        self._durations = durations
        self._now = Now(start, 0)
        self._free = list(range(workers))
        self._busy: list[tuple[int, int, int, Attempt]] = []
        """The attempts that execute: when they end, the order in which they began, their workers, the attempts."""

        self._begun = 0
        self._rows: list[SimulatedRun] = []

    def submit(self, number: int, request: RecurringJobRequest) -> None:
        """Submit a job."""
        submission = Submission(UUID(int=number), request, request.name, (), None, OnConflict.RAISE)
        self._engine.accept(self._now, submission)

    def rows(self, end: int) -> tuple[SimulatedRun, ...]:
        """Simulate until the end has come and the attempts that began have ended, and return the rows."""
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
            # A callable may also be a Mapping of unknown types, as far as pyright knows.
            by_name: Mapping[str, Duration] = durations  # pyright: ignore[reportUnknownVariableType]
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
