"""How jobs come in: submitted by a caller, or admitted from a store; and how a refused one goes again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine.ledger import Proposal
from turnkeeper_trio._engine.lifecycle import draw_due, halt, plan, plan_delay, unplan
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Attempt, Job, Run
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobAdded
from turnkeeper_trio._model.instants import MAX_INSTANT, duration_us, instant_us, utc_pendulum
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.record import plain
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import OnConflict
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._asking import ScheduleFault, anchored_us, first_us


@final
@dataclass(slots=True)
class Submission:
    """A job as it lies in staging."""

    job_id: UUID
    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    on_conflict: OnConflict
    token: Any = None
    """Who waits until the store has committed it, where somebody does."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as a store hands it over: its definition, and its next occurrence (microseconds), already planned."""

    job_id: UUID
    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    next_run_at: int | None = None


def accept(state: State, submission: Submission, now: Now) -> Job:
    """Take a new job into the books, and plan its first occurrence."""
    request = submission.request
    job = Job(submission.job_id, request, submission.target, submission.args, submission.kwargs, seq=state.next_job())
    _enter(state, job)
    state.counters.submitted += 1
    if state.ledger.asked:
        proposal = Proposal(job, submission.token)
        state.ledger.propose(ChangeKind.JOB_ACCEPTED, job, definition(job), proposal)
    anchor_and_plan(state, job, now)
    if state.listening:
        at = None if job.pending is None else utc_pendulum(job.pending.due_at)
        state.emit(JobAdded, now, job=job, name=request.name, next_run_time=at)
    return job


def _enter(state: State, job: Job) -> None:
    """Put a job in the table; an ended one of the same key goes, and leaves its history."""
    before = state.jobs.get(job.job_id)
    if before is not None:
        assert before.state in ENDED_STATES
        state.ended_jobs.pop(before, None)
        job.history = before.history
    state.jobs[job.job_id] = job


def anchor_and_plan(state: State, job: Job, now: Now) -> None:
    """Bind the schedule of a job to now, or to its initial run, and plan the first occurrence."""
    request = job.request
    initial = _initial_us(request.initial_run_time, now)
    try:
        job.schedule = anchored_us(request.schedule, now.wall if initial is None else min(initial, MAX_INSTANT))
        if initial is not None:
            plan(state, job, initial, draw_due(state, job, initial), Origin.INITIAL)
        elif isinstance(job.schedule, FixedDelay):
            plan_delay(state, job, job.schedule, now)
        elif (first := first_us(job.schedule, now.wall)) is not None:
            plan(state, job, first, draw_due(state, job, first), Origin.SCHEDULE)
    except ScheduleFault as fault:
        halt(state, job, str(fault), now)


def _initial_us(at: datetime | timedelta | None, now: Now) -> int | None:
    if at is None:
        return None
    return now.wall + duration_us(at) if isinstance(at, timedelta) else instant_us(at)


def definition(job: Job) -> dict[str, Any]:
    """Return what defines a job, as JSON values."""
    request = job.request
    return {
        "name": request.name,
        "target": str(job.target),
        "args": plain(job.args),
        "kwargs": plain(job.kwargs or {}),
        "schedule": plain(request.schedule),
        "max_retries": request.max_retries,
        "retry": plain(request.retry),
        "initial_run_time": plain(request.initial_run_time),
        "timeout": request.timeout_us,
        "overlap": request.overlap,
        "catch_up": request.catch_up,
        "retry_past_next": request.retry_past_next,
        "priority": request.priority,
        "jitter": request.jitter_us,
        "tags": list(request.tags),
    }


def admit(state: State, stored: StoredJob, now: Now) -> Job:
    """Take over a job that a store holds. It was accepted once: its schedule is bound, its next occurrence planned."""
    job = Job(stored.job_id, stored.request, stored.target, stored.args, stored.kwargs, seq=state.next_job())
    state.jobs[job.job_id] = job
    if stored.next_run_at is not None:
        try:
            due_at = draw_due(state, job, stored.next_run_at)
            plan(state, job, stored.next_run_at, due_at, Origin.SCHEDULE)
        except ScheduleFault as fault:
            halt(state, job, str(fault), now)
    return job


def release(state: State, job: Job) -> None:
    """Let go of a job that is not ours any more: it leaves the books as if it had never been in them."""
    del state.jobs[job.job_id]
    state.ended_jobs.pop(job, None)
    if job.pending is not None:
        unplan(state, job.pending)
        state.counters.planned -= 1
    for run in tuple(job.runs):
        disown(state, run)


def disown(state: State, run: Run) -> None:
    """Take a run that has not begun out of the books: somebody else runs it."""
    assert not run.executing
    state.counters.planned -= 1
    del state.active[run]
    del run.job.runs[run]
    if run.place != OUT:
        (state.retries if run.waiting_retry else state.ready).remove(run)
    if run.attempt is not None:
        unbind(state, run.attempt)


def unbind(state: State, attempt: Attempt) -> None:
    """Take back an attempt that has not been handed to a worker yet."""
    attempt.revoked = True
    attempt.run.attempt = None
    del state.assigned[attempt]
    state.effects.assignments.remove(attempt)
