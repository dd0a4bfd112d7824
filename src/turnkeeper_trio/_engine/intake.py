"""How jobs come in: submitted by a caller, or admitted from a store; and how a refused one goes again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine.archive import history_of
from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.ledger import Proposal
from turnkeeper_trio._engine.lifecycle import halt, settle_job, take_out
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import draw_due, plan, plan_delay, unplan
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import NO_RUNS, Job, Occurrence, Run
from turnkeeper_trio._engine.turns import call_next
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobAdded
from turnkeeper_trio._model.instants import MAX_INSTANT, duration_us, instant_us, utc_pendulum
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.record import plain
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio.errors import JobNotFound, RunNotFound
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
    staged: Now | None = None
    """When it was put in staging: from then on its schedule counts. ``None``: from when it is taken."""


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


def accept(state: State, submission: Submission, now: Now, before: Job | None = None, latest: int | None = None) -> Job:
    """Take a new job into the books, and plan its first occurrence from when it was staged.

    ``before`` is an ended one that has its id, and ``latest`` the last instant at which another of its id had its turn.
    """
    request = submission.request
    job = Job(submission.job_id, request, submission.target, submission.args, submission.kwargs, seq=state.next_job())
    _enter(state, job, before, now)
    state.counters.submitted += 1
    job.latest = latest
    since = submission.staged or now
    first, fault = _bind(state, job, _initial_us(request.initial_run_time, since), since, now)
    if state.ledger.asked:
        proposal = Proposal(job, submission.token)
        state.ledger.propose(ChangeKind.JOB_ACCEPTED, job, definition(job), proposal)
    _plan_first(state, job, first, fault, since)
    if state.listening:
        at = None if job.pending is None else utc_pendulum(job.pending.due_at)
        state.emit(JobAdded, now, job=job, name=request.name, next_run_time=at)
    _conclude(state, job, fault, now)
    return job


def _enter(state: State, job: Job, before: Job | None, now: Now) -> None:
    """Put a job in the table, as the last. What had its id before has ended, and leaves it its history and its runs.

    One id is one job: what still executes of the one before counts among the runs of the new one, by whose rules others
    wait for it or end it. How it goes on itself is decided by the job that it is a run of, which is cancelled.
    """
    if before is not None:
        del state.jobs[before.job_id]
        state.ended_jobs.pop(before, None)
    else:
        before = state.remains.pop(job.job_id, None)
    if before is not None:
        assert before.state in ENDED_STATES
        job.history = history_of(before)  # Shared: what executes will be recorded there.
        job.runs = dict(before.runs) or NO_RUNS
        before.runs = {run: None for run in before.runs if run.job is before} or NO_RUNS
        for run in job.runs:
            run.holder = job
        settle_job(state, before, now)  # It may have had no other runs than those that it took over itself.
    state.jobs[job.job_id] = job
    state.top_priority = max(state.top_priority, job.request.priority)


def anchor_and_plan(state: State, job: Job, now: Now, *, initial: bool, since: Now) -> None:
    """Bind the schedule of a job anew, to an instant or to its initial run, and plan the first occurrence after it."""
    at = _initial_us(job.request.initial_run_time, since) if initial else None
    first, fault = _bind(state, job, at, since, now)
    _plan_first(state, job, first, fault, since)
    _conclude(state, job, fault, now)


def _plan_first(state: State, job: Job, first: tuple[int, int, Origin] | None, fault: str, since: Now) -> None:
    if first is not None:
        plan(state, job, *first)
    elif type(job.schedule) is not FixedDelay or fault:
        return
    elif not job.runs:
        plan_delay(state, job, job.schedule.delay_us, since)
    # A job whose bounds allow not even its first occurrence is finished: it is not one that runs by hand.
    job.had_occurrence = True


def _conclude(state: State, job: Job, fault: str, now: Now) -> None:
    if fault:
        halt(state, job, fault, now)
    else:
        settle_job(state, job, now)


def _bind(
    state: State, job: Job, initial: int | None, since: Now, now: Now
) -> tuple[tuple[int, int, Origin] | None, str]:
    """Bind the schedule of a job, and return its first occurrence (its instant, when it is due, why), and its fault.

    The grid begins when it was submitted, which may be a while ago: what has had its turn since then, by the grid that
    was, does not come again.
    """
    request = job.request
    after = since.wall if job.latest is None else max(since.wall, min(job.latest, now.wall))
    job.latest = None
    try:
        job.schedule = anchored_us(request.schedule, since.wall if initial is None else min(initial, MAX_INSTANT))
        if initial is not None:
            return (initial, draw_due(state, job, initial), Origin.INITIAL), ""
        if job.delayed or (first := first_us(job.schedule, after)) is None:
            return None, ""
        return (first, draw_due(state, job, first), Origin.SCHEDULE), ""
    except ScheduleFault as fault:
        return None, str(fault)


def _initial_us(at: datetime | timedelta | None, since: Now) -> int | None:
    if at is None:
        return None
    return since.wall + duration_us(at) if isinstance(at, timedelta) else instant_us(at)


def definition(job: Job) -> dict[str, Any]:
    """Return what defines a job, as JSON values."""
    request = job.request
    return {
        "name": request.name,
        "target": str(job.target),
        "args": plain(job.args),
        "kwargs": plain(job.kwargs or {}),
        "schedule": plain(job.schedule),
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
    _enter(state, job, state.jobs.get(job.job_id), now)
    at = stored.next_run_at
    if at is not None and job.delayed:
        plan_delay(state, job, max(0, at - now.wall), now)
    elif at is not None:
        try:
            plan(state, job, at, draw_due(state, job, at), Origin.SCHEDULE)
        except ScheduleFault as fault:
            halt(state, job, str(fault), now)
    return job


def release(state: State, job: Job) -> None:
    """Let go of a job that is not ours any more: it leaves the books as if it had never been in them.

    What executes of the job that had its id before goes on.
    """
    if state.jobs.get(job.job_id) is not job:
        return  # It was deleted, or it has ended and is forgotten.
    del state.jobs[job.job_id]
    state.ended_jobs.pop(job, None)
    state.archive.forget_job(job)
    if (occurrence := job.pending) is not None:
        unplan(state, occurrence)
        _lose(state, occurrence)
    for run in tuple(job.runs):
        if run.job is job:
            _take_back(state, run)
    if job.runs:
        job.state = JobState.CANCELLED
        state.remains[job.job_id] = job
    state.lost(job, JobNotFound(f"the job {job.request.name!r} is not here any more", job_id=job.job_id))


def disown(state: State, run: Run) -> None:
    """Take a run that has not begun out of the books: somebody else runs it. What it was the last run of goes too."""
    job = run.job
    _take_back(state, run)
    call_next(state, job)
    if job.pending is not None or job.runs:
        return
    if job.state is JobState.ACTIVE and job.had_occurrence:
        release(state, job)
    else:
        state.over(job)


def _take_back(state: State, run: Run) -> None:
    assert not run.executing
    take_out(state, run)
    if run.attempt is not None:
        unbind(state, run.attempt)
    _lose(state, run.occurrence)


def _lose(state: State, occurrence: Occurrence) -> None:
    """An occurrence leaves the books without an outcome."""
    state.counters.planned -= 1
    run_id = occurrence.run_id
    if run_id is not None:
        del state.by_id[run_id]
        state.lost(occurrence, RunNotFound(f"the run {run_id} is not here any more", run_id=run_id))


def unbind(state: State, attempt: Attempt) -> None:
    """Take back an attempt that has not been handed to a worker yet."""
    attempt.revoked = True
    attempt.run.attempt = None
    state.unassign(attempt)
    state.effects.assignments.remove(attempt)
