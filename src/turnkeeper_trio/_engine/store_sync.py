"""How the tables follow a store: jobs that it holds are admitted and released, and what it refuses is discarded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine.anchoring import insert_job
from turnkeeper_trio._engine.lifecycle import halt, remove_run
from turnkeeper_trio._engine.planning import draw_due, plan, plan_delay, remove_pending
from turnkeeper_trio._engine.rows import Attempt, Job, Occurrence, Run
from turnkeeper_trio._engine.slots import promote_waiting
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.record import plain
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.errors import JobNotFound, RunNotFound
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.schedules._adapter import ScheduleFault


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as a store holds it: its definition, and the instant of its next occurrence in microseconds."""

    job_id: UUID
    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    next_run_at: int | None = None


def definition(job: Job) -> dict[str, Any]:
    """Return the definition of a job as JSON values."""
    return {
        **job.request.to_json(),
        "schedule": plain(job.schedule),  # The schedule in force, and not the unbound one of the request.
        "target": str(job.target),
        "args": plain(job.args),
        "kwargs": plain(job.kwargs or {}),
    }


def admit(state: State, now: Now, stored: StoredJob) -> Job:
    """Load a job that a store holds. It was accepted before, so its schedule is bound and its next occurrence known."""
    job = Job(stored.job_id, stored.request, stored.target, stored.args, stored.kwargs, seq=state.next_job())
    insert_job(state, now, job, state.jobs.get(job.job_id))
    at = stored.next_run_at
    if at is not None and job.delayed:
        plan_delay(state, now, job, max(0, at - now.wall))
    elif at is not None:
        try:
            plan(state, job, at, draw_due(state, job, at), Origin.SCHEDULE)
        except ScheduleFault as fault:
            halt(state, now, job, str(fault))
    return job


def release(state: State, job: Job) -> None:
    """Discard a job that this scheduler does not own any more: nothing of it stays in the tables and the books.

    Runs that it took over from the job that had its id continue.
    """
    if state.jobs.get(job.job_id) is not job:
        return  # It was deleted, or it has ended and is forgotten.
    del state.jobs[job.job_id]
    state.ended_jobs.pop(job, None)
    state.history.forget_job(job)
    if (occurrence := job.pending) is not None:
        remove_pending(state, occurrence)
        _discard_occurrence(state, occurrence)
    for run in tuple(job.runs):
        if run.job is job:
            _discard_run(state, run)
    if job.runs:
        job.state = JobState.CANCELLED
        state.remains[job.job_id] = job
    state.fail_waits(job, JobNotFound(f"the job {job.request.name!r} is not here any more", job_id=job.job_id))


def discard_refused_run(state: State, run: Run) -> None:
    """Discard a run that has not begun, because a different node runs it. If its job has nothing left, release it."""
    job = run.job
    _discard_run(state, run)
    promote_waiting(state, job)
    if job.pending is not None or job.runs:
        return
    if job.state is JobState.ACTIVE and job.had_occurrence:
        release(state, job)
    else:
        state.answer_waits(job)


def _discard_run(state: State, run: Run) -> None:
    assert not run.executing
    remove_run(state, run)
    if run.attempt is not None:
        unassign_unsent(state, run.attempt)
    _discard_occurrence(state, run.occurrence)


def _discard_occurrence(state: State, occurrence: Occurrence) -> None:
    """Remove an occurrence from the books without an outcome."""
    state.counters.planned -= 1
    run_id = occurrence.run_id
    if run_id is not None:
        del state.by_id[run_id]
        state.fail_waits(occurrence, RunNotFound(f"the run {run_id} is not here any more", run_id=run_id))


def unassign_unsent(state: State, attempt: Attempt) -> None:
    """Revoke an attempt that has not been handed to a worker yet."""
    attempt.revoked = True
    attempt.run.attempt = None
    state.unassign(attempt)
    state.effects.assignments.remove(attempt)
