"""What users ask for of a job or a run: cancel, delete, skip, trigger."""

from uuid import UUID

from turnkeeper_trio import _checks
from turnkeeper_trio._engine.arrival import begin, refusal
from turnkeeper_trio._engine.endings import Cause
from turnkeeper_trio._engine.lifecycle import (
    ask_to_end,
    cancel_lineage,
    drop_waiting,
    end_occurrence,
    end_run,
    forget,
    plan_after,
    settle_job,
)
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import unplan
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job, NonRun, Occurrence, Run
from turnkeeper_trio._engine.turns import in_the_way, room
from turnkeeper_trio._engine.waiting import Wait
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobDeleted
from turnkeeper_trio._model.ids import RunId, job_id_of_key
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunRecord
from turnkeeper_trio.errors import JobActive, JobEnded, JobHalted, JobNotFound, RunNotFound, SchedulerClosed
from turnkeeper_trio.policies import Overlap


def job_id_of(state: State, name: UUID | str) -> UUID:
    """Return the id of the job that is named by its id, its key, or its id as text.

    A key may read like an id. Where it does, it is the key of a job if a job has it, and else an id.
    """
    if isinstance(name, UUID):
        return name
    by_key = job_id_of_key(name)
    written = None if by_key in state.jobs else _checks.parsed_id(name)
    return by_key if written is None else written


def find_job(state: State, name: UUID | str) -> Job:
    """Return a job that lives, or that ended and is remembered, by its id, its key, or its id as text."""
    job_id = job_id_of(state, name)
    job = state.jobs.get(job_id)
    if job is None:
        by_key = isinstance(name, str) and _checks.parsed_id(name) is None
        raise JobNotFound(f"no job has the {'key' if by_key else 'id'} {str(name)!r}", job_id=job_id)
    return job


def find_run(state: State, run_id: UUID) -> Occurrence | Run | NonRun:
    """Return a run, planned, active or ended, by its id."""
    item: Occurrence | Run | NonRun | None = state.by_id.get(run_id)
    if item is None:
        raise RunNotFound(f"no run has the id {run_id}", run_id=run_id)
    return item


def cancel_job(
    state: State, now: Now, job_id: UUID | str, *, cancel_running: bool = False, reason: str = ""
) -> "Wait | tuple[RunRecord, ...]":
    """Mark a lineage as cancelled, and end what has not begun; the answer waits for what is to be ended."""
    job = find_job(state, job_id)
    if job.state not in ENDED_STATES:
        cancel_lineage(state, job, now, reason)
    ended = drop_waiting(state, job, now, reason)
    executing = tuple(job.runs) if cancel_running else ()
    for run in executing:
        ask_to_end(state, run, Cause.CANCEL, now, reason)
    settle_job(state, job, now)

    def records(came: list[Run | NonRun]) -> tuple[RunRecord, ...]:
        # What did not run may share one record, and it is told once.
        return tuple(state.record(item) for item in dict.fromkeys((*ended, *came)))

    return state.waits.on((run.occurrence for run in executing), records) if executing else records([])


def cancel_run(state: State, now: Now, run_id: UUID, *, reason: str = "") -> "Wait | RunRecord":
    """End one run, wherever it stands; the answer waits until it has ended. Its job goes on."""
    item = find_run(state, run_id)
    if isinstance(item, Occurrence):
        return state.record(_withdraw(state, item, Outcome.CANCELLED, now, reason))
    if item.outcome is not None:
        return state.record(item)
    assert isinstance(item, Run)
    if not item.executing:
        return state.record(end_run(state, item, Outcome.CANCELLED, now, reason, error=item.error))
    ask_to_end(state, item, Cause.CANCEL, now, reason)
    return state.waits.on([item.occurrence], lambda came: state.record(came[0]))


def _withdraw(state: State, occurrence: Occurrence, outcome: Outcome, now: Now, reason: str) -> NonRun:
    """End a pending occurrence, and plan the one after it."""
    job = occurrence.job
    unplan(state, occurrence)
    item = end_occurrence(state, occurrence, outcome, now, reason)
    job.latest = occurrence.scheduled_at
    if state.closing is None:
        plan_after(state, job, occurrence.scheduled_at, now)
    settle_job(state, job, now)
    return item


def delete_job(state: State, now: Now, job_id: UUID | str, *, reason: str = "deleted") -> None:
    """Cancel a job, and forget it. A run that executes goes on, and is found again under the same id."""
    job = find_job(state, job_id)
    cancel_job(state, now, job.job_id, reason=reason)
    state.archive.forget_job(job)
    if state.jobs.get(job.job_id) is job:  # A history without room has forgotten it already.
        forget(state, job)
    state.ledger.note(ChangeKind.JOB_DELETED, job, {})
    if state.listening:
        state.emit(JobDeleted, now, job=job, name=job.request.name)


def skip_next_run(state: State, now: Now, job_id: UUID | str) -> RunRecord | None:
    """End the pending occurrence of a job as skipped, and plan the one after it."""
    job = find_job(state, job_id)
    refuse_if_over(state, job)
    if job.pending is None:
        return None
    return state.record(_withdraw(state, job.pending, Outcome.SKIPPED, now, "skipped by hand"))


def trigger_job(state: State, now: Now, job_id: UUID | str, *, overlap: Overlap | None = None) -> RunId:
    """Begin an extra run of a job; its pending occurrence stays where it is."""
    job = find_job(state, job_id)
    refuse_if_over(state, job)
    if job.state is JobState.HALTED:
        raise JobHalted(f"the job {job.request.name!r} is halted: {job.reason}", job_id=job.job_id)
    policy = overlap or job.request.overlap
    why = refusal(job, policy, len(job.waiting))
    if why and (job.waiting or room(job, policy) < 1):
        run_id = state.run_id((in_the_way(job) or list(job.waiting))[0])
        raise JobActive(f"{job.request.name!r} cannot run now: {why}", job_id=job.job_id, run_id=run_id)
    state.counters.planned += 1
    occurrence = Occurrence(job, now.wall, now.wall, Origin.TRIGGER)
    run_id = state.run_id(occurrence)
    begin(state, occurrence, now, overlap)
    return run_id


def refuse_if_over(state: State, job: Job) -> None:
    """Raise if nothing of a job may be begun or changed any more."""
    if state.closing is not None:
        raise SchedulerClosed("the scheduler is shutting down: nothing new is begun")
    if job.state in ENDED_STATES:
        raise JobEnded(f"the job {job.request.name!r} is {job.state}", job_id=job.job_id)
