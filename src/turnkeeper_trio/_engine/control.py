"""What users ask for of a job: cancel, delete, skip, trigger."""

from uuid import UUID

from turnkeeper_trio._engine.dueness import begin
from turnkeeper_trio._engine.lifecycle import end_occurrence, end_run, plan_after, settle_job, unplan
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Attempt, Cause, Job, NonRun, Occurrence, Run
from turnkeeper_trio._engine.waiting import Wait
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobCancelled, JobDeleted
from turnkeeper_trio._model.ids import RunId
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunRecord
from turnkeeper_trio.errors import JobActive, JobEnded, JobHalted, JobNotFound, SchedulerClosed


def find_job(state: State, job_id: UUID) -> Job:
    """Return a job that lives, or that ended and is remembered."""
    job = state.jobs.get(job_id)
    if job is None:
        raise JobNotFound(f"no job has the id {job_id}", job_id=job_id)
    return job


def ask_to_end(state: State, attempt: Attempt, cause: Cause, now: Now) -> None:
    """Have the scope of an executing attempt cancelled, once; what happens then is read from its outcome."""
    assert attempt.scope is not None
    # A scope whose deadline has struck is on its way out already: the timeout was first, and the record says so.
    if attempt.cause is None and not attempt.scope.cancel_called:
        attempt.cause = cause
        attempt.run.since = now.loop
        state.effects.cancels.append(attempt)
        run = attempt.run
        state.alarms.push((now.loop + state.options.cleanup_grace, run.job.seq, run.number, attempt))


def cancel_job(
    state: State, now: Now, job_id: UUID, *, cancel_running: bool = False, reason: str = ""
) -> "Wait | tuple[RunRecord, ...]":
    """Mark a lineage as cancelled, and end what has not begun; the answer waits for what is to be ended."""
    job = find_job(state, job_id)
    if job.state not in ENDED_STATES:
        _mark_cancelled(state, job, now, reason)
    ended = [_drop(state, run, now, reason) for run in tuple(job.runs) if not run.executing]
    executing = tuple(job.runs) if cancel_running else ()
    for run in executing:
        assert run.attempt is not None
        ask_to_end(state, run.attempt, Cause.CANCEL, now)
    settle_job(state, job, now)

    def records(came: list[Run | NonRun]) -> tuple[RunRecord, ...]:
        return tuple(state.record(item) for item in (*ended, *came))

    return state.waits.on((run.occurrence for run in executing), records) if executing else records([])


def _mark_cancelled(state: State, job: Job, now: Now, reason: str) -> None:
    job.state, job.reason = JobState.CANCELLED, reason
    state.counters.lineage_cancelled += 1
    state.ledger.note(ChangeKind.JOB_CHANGED, job, {"state": job.state, "next": None, "reason": reason})
    if state.listening:
        state.emit(JobCancelled, now, job=job, name=job.request.name, reason=reason)
    if job.pending is not None:
        occurrence = job.pending
        unplan(state, occurrence, cancelled=True)
        end_occurrence(state, occurrence, Outcome.CANCELLED, now, reason)


def _drop(state: State, run: Run, now: Now, reason: str) -> Run | NonRun:
    """End a run of a cancelled job that is not executing: due, bound to a worker, or waiting for its retry."""
    state.counters.discarded_cancelled += 1
    return end_run(state, run, Outcome.CANCELLED, now, reason, error=run.error)


def delete_job(state: State, now: Now, job_id: UUID) -> None:
    """Cancel a job, and forget it. A run that executes goes on."""
    job = find_job(state, job_id)
    cancel_job(state, now, job_id, reason="deleted")
    state.archive.forget_job(job)
    state.ended_jobs.pop(job, None)
    del state.jobs[job_id]
    state.ledger.note(ChangeKind.JOB_DELETED, job, {})
    if state.listening:
        state.emit(JobDeleted, now, job=job, name=job.request.name)


def skip_next_run(state: State, now: Now, job_id: UUID) -> RunRecord | None:
    """End the pending occurrence of a job as skipped, and plan the one after it."""
    job = find_job(state, job_id)
    _refuse_if_over(state, job)
    occurrence = job.pending
    if occurrence is None:
        return None
    unplan(state, occurrence)
    item = end_occurrence(state, occurrence, Outcome.SKIPPED, now, "skipped by hand")
    plan_after(state, job, occurrence.scheduled_at, now)
    settle_job(state, job, now)
    return state.record(item)


def trigger_job(state: State, now: Now, job_id: UUID) -> RunId:
    """Begin an extra run of a job; its pending occurrence stays where it is."""
    job = find_job(state, job_id)
    _refuse_if_over(state, job)
    if job.state is JobState.HALTED:
        raise JobHalted(f"the job {job.request.name!r} is halted: {job.reason}", job_id=job_id)
    for run in job.runs:
        if not run.waiting_retry or job.request.retry_past_next:
            run_id = state.run_id(run)
            message = f"the job {job.request.name!r} has an active run, {run_id}, and may have only one"
            raise JobActive(message, job_id=job_id, run_id=run_id)
    state.counters.planned += 1
    begun = begin(state, Occurrence(job, now.wall, now.wall, Origin.TRIGGER), now)
    assert begun is not None
    return state.run_id(begun)


def _refuse_if_over(state: State, job: Job) -> None:
    if state.closing is not None:
        raise SchedulerClosed("the scheduler is shutting down: nothing new is begun")
    if job.state in ENDED_STATES:
        raise JobEnded(f"the job {job.request.name!r} is {job.state}", job_id=job.job_id)
