"""The commands on jobs and runs: cancel, delete, skip, trigger, pause, resume."""

from typing import Final
from uuid import UUID

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.firing import begin_run, handle_due
from turnkeeper_trio._engine.lifecycle import (
    cancel_lineage,
    cancel_pending,
    cancel_waiting,
    end_occurrence,
    end_run,
    forget,
    plan_after,
    reactivate,
    request_cancel,
    settle_job,
)
from turnkeeper_trio._engine.overlap import skip_reason
from turnkeeper_trio._engine.planning import is_last, plan, remove_pending
from turnkeeper_trio._engine.rows import CancelCause, Job, NonRun, Occurrence, Run
from turnkeeper_trio._engine.slots import (
    blocking_runs,
    free_slots,
    make_ready,
    promote_waiting,
    requeue_unstarted,
    unassign_run,
)
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import EXECUTED, Wait
from turnkeeper_trio._model.ids import RunId, job_id_of_key
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunRecord
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.errors import JobActive, JobEnded, JobHalted, JobNotFound, RunNotFound, SchedulerClosed
from turnkeeper_trio.events import JobDeleted, JobPaused, JobResumed
from turnkeeper_trio.policies import CatchUp, Overlap


def job_id_of(state: State, name: UUID | str) -> UUID:
    """Return the id of the job that is named by its id, its key, or its id as text.

    A key may look like an id. Such a text is taken as a key if a job has this key, and otherwise as an id.
    """
    if isinstance(name, UUID):
        return name
    by_key = job_id_of_key(name)
    written = None if by_key in state.jobs else _validation.parsed_id(name)
    return by_key if written is None else written


def find_job(state: State, name: UUID | str) -> Job:
    """Return a job by its id, its key, or its id as text, unless it was forgotten.

    Raises:
        JobNotFound: there is no such job.
    """
    job_id = job_id_of(state, name)
    job = state.jobs.get(job_id)
    if job is None:
        key = name if isinstance(name, str) else None
        by_key = key is not None and _validation.parsed_id(key) is None
        raise JobNotFound(f"no job has the {'key' if by_key else 'id'} {str(name)!r}", job_id=job_id, key=key)
    return job


def find_run(state: State, run_id: UUID) -> Occurrence | Run | NonRun:
    """Return a run, whether planned, active or ended, by its id.

    Raises:
        RunNotFound: there is no such run, or it was forgotten.
    """
    item: Occurrence | Run | NonRun | None = state.by_id.get(run_id)
    if item is None:
        raise RunNotFound(f"no run has the id {run_id}", run_id=run_id)
    return item


def cancel_job(
    state: State, now: Now, job_id: UUID | str, *, cancel_running: bool = False, reason: str = ""
) -> "Wait | tuple[RunRecord, ...]":
    """Cancel a job and its runs that do not execute; with ``cancel_running``, ask those that execute to end.

    Return the records of the runs that this ends, or a wait for them if some are still executing.
    """
    job = find_job(state, job_id)
    state.change_log.touch(job)
    if job.state not in ENDED_STATES:
        cancel_lineage(state, now, job, reason)
    ended = cancel_waiting(state, now, job, reason)
    executing = tuple(job.runs) if cancel_running else ()
    for run in executing:
        request_cancel(state, now, run, CancelCause.CANCEL, reason)
    settle_job(state, now, job)

    def records(came: list[Run | NonRun]) -> tuple[RunRecord, ...]:
        # Several runs that never began may share one record: it is returned once.
        return tuple(state.record(item) for item in dict.fromkeys((*ended, *came)))

    return state.waits.on([run.occurrence for run in executing], records) if executing else records([])


def cancel_run(state: State, now: Now, run_id: UUID, *, reason: str = "") -> "Wait | RunRecord":
    """Cancel one run, in whatever phase it is; its job continues.

    Return the record of the run, or a wait for it if the run executes.
    """
    item = find_run(state, run_id)
    if isinstance(item, Occurrence):
        return state.record(_end_pending(state, now, item, Outcome.CANCELLED, reason))
    if item.outcome is not None:
        return state.record(item)
    assert isinstance(item, Run)
    if not item.executing:
        return state.record(end_run(state, now, item, Outcome.CANCELLED, reason, error=item.error))
    request_cancel(state, now, item, CancelCause.CANCEL, reason)
    return state.waits.on([item.occurrence], lambda came: state.record(came[0]))


def _end_pending(state: State, now: Now, occurrence: Occurrence, outcome: Outcome, reason: str) -> NonRun:
    """End a pending occurrence, and plan the one after it."""
    job = occurrence.job
    remove_pending(state, occurrence)
    item = end_occurrence(state, now, occurrence, outcome, reason)
    job.latest = occurrence.scheduled_at
    if not state.ending:
        plan_after(state, now, job, occurrence.scheduled_at)
    settle_job(state, now, job)
    return item


def delete_job(state: State, now: Now, job_id: UUID | str, *, reason: str = "deleted") -> None:
    """Cancel a job, and forget it. Runs that execute continue; a new job with the same id takes them over."""
    job = find_job(state, job_id)
    if job.released:
        raise JobNotFound("the job is not owned", job_id=job.job_id)  # It is claimed, and then deleted.
    cancel_job(state, now, job.job_id, reason=reason)
    state.history.forget_job(job)
    state.change_log.forget(job)
    if state.jobs.get(job.job_id) is job:  # Where the limit of the history is 0, it is forgotten already.
        forget(state, job)
    if state.listening[JobDeleted]:
        state.emit(now, JobDeleted, job=job, name=job.request.name)


def skip_next_run(state: State, now: Now, job_id: UUID | str) -> RunRecord | None:
    """End the pending occurrence of a job as skipped, and plan the one after it."""
    job = find_job(state, job_id)
    refuse_if_ended(state, job)
    if job.pending is None:
        return None
    return state.record(_end_pending(state, now, job.pending, Outcome.SKIPPED, "skipped by hand"))


def trigger_job(state: State, now: Now, job_id: UUID | str, *, overlap: Overlap | None = None) -> RunId:
    """Begin an extra run of a job; its pending occurrence stays where it is."""
    job = find_job(state, job_id)
    refuse_if_ended(state, job)
    _refuse_if_halted(job)
    policy = overlap or job.request.overlap
    why = skip_reason(job, policy, len(job.waiting))
    if why and (job.waiting or free_slots(job, policy) < 1):
        run_id = state.run_id((blocking_runs(job) or list(job.waiting))[0])
        raise JobActive(f"{job.request.name!r} cannot run now: {why}", job_id=job.job_id, run_id=run_id)
    state.change_log.touch(job)
    state.counters.planned += 1
    occurrence = Occurrence(job, now.wall, now.wall, Origin.TRIGGER, job.next_entry())
    run_id = state.run_id(occurrence)
    begin_run(state, now, occurrence, overlap)
    return run_id


def refuse_if_ended(state: State, job: Job) -> None:
    """Raise if a job may not be changed and no run of it may begin, because it has ended or the scheduler shuts down.

    Raises:
        SchedulerClosed: the scheduler shuts down.
        JobEnded: the job is cancelled or finished.
    """
    if state.closing is not None:
        raise SchedulerClosed("the scheduler is shutting down: nothing new is begun")
    if job.state in ENDED_STATES:
        raise JobEnded(f"the job {job.request.name!r} is {job.state}", job_id=job.job_id)


def _refuse_if_halted(job: Job) -> None:
    if job.state is JobState.HALTED:
        raise JobHalted(f"the job {job.request.name!r} is halted: {job.reason}", job_id=job.job_id)


PAUSED = "paused"


def pause_job(state: State, now: Now, job_id: UUID | str, *, note: str = "") -> None:
    """Pause a job: until it is resumed, its runs are neither planned nor begun, except by hand.

    Runs that execute continue. A job that is paused already only gets the new note.
    """
    job = find_job(state, job_id)
    refuse_if_ended(state, job)
    _refuse_if_halted(job)
    state.change_log.touch(job)
    if job.state is JobState.PAUSED:
        job.reason = note or job.reason
        return
    reason = f"{PAUSED}: {note}" if note else PAUSED
    job.state, job.reason = JobState.PAUSED, note
    due = [run for run in job.runs if not (run.begun or run.executing or run.occurrence.origin is Origin.TRIGGER)]
    job.held = next((run.occurrence for run in due if _is_held_for_resume(job, run)), job.pending)
    cancel_pending(state, now, job, Outcome.CANCELLED, reason)
    for run in due:
        end_run(state, now, run, Outcome.CANCELLED, reason)
    requeue_unstarted(state, job)
    promote_waiting(state, job)
    if state.listening[JobPaused]:
        state.emit(now, JobPaused, job=job, name=job.request.name, note=note)


def _is_held_for_resume(job: Job, run: Run) -> bool:
    """Return whether a run that is due and has not begun is held until the resume, instead of the occurrence after it.

    A run that waits for a worker is held, because it should not matter whether a worker was free when its instant came.
    A run that waits for other runs of its job is not held, unless it is the initial one or no occurrence follows it.
    """
    occurrence = run.occurrence
    return not run.blocked or occurrence.origin is Origin.INITIAL or is_last(job, occurrence.scheduled_at)


def resume_job(state: State, now: Now, job_id: UUID | str, *, missed: CatchUp | None = None) -> None:
    """Make a paused or halted job active again.

    Occurrences whose instants passed while it was paused are handled by the policy ``missed``, or by that of the job if
    it is ``None``. Those that passed while it was halted are not run.
    """
    job = find_job(state, job_id)
    refuse_if_ended(state, job)
    if job.state not in {JobState.PAUSED, JobState.HALTED}:
        return
    state.change_log.touch(job)
    halted = job.state is JobState.HALTED
    held = reactivate(job)
    if halted and held is not None and held.due_at <= now.wall:
        held = None
    _plan_held(state, now, job, held, missed or job.request.catch_up)
    promote_waiting(state, job)
    if state.listening[JobResumed]:
        at = None if job.pending is None else job.pending.due_at
        state.emit(now, JobResumed, job=job, name=job.request.name, next_run_time=at)
    settle_job(state, now, job)


def _plan_held(state: State, now: Now, job: Job, held: Occurrence | None, missed: CatchUp) -> None:
    """Plan the occurrence that was held. If its instant has passed, catch-up decides about it and the later ones."""
    if held is None or (job.delayed and held.origin is Origin.SCHEDULE):
        if job.pending is None and not (job.delayed and job.runs):
            plan_after(state, now, job, now.wall)
    elif held.due_at > now.wall:
        plan(state, job, held.scheduled_at, held.due_at, held.origin)
    else:
        state.counters.planned += 1
        occurrence = Occurrence(job, held.scheduled_at, held.due_at, held.origin, job.next_entry())
        handle_due(state, now, occurrence, missed)


ALL: Final = "all"
"""Who paused all jobs, if a command did; a store keeps this pause."""

PAUSED_ALL: Final = "paused_all"
"""The name of the setting under which a store keeps it."""


def pause_all(state: State, now: Now, who: object, *, note: str, wait: bool) -> "Wait | None":
    """Begin no run of any job until ``who`` calls `resume_all`.

    With ``wait``, return a wait until no run executes, if any does.
    """
    if not state.pauses and state.listening[JobPaused]:
        state.emit(now, JobPaused, name="", note=note)
    state.pauses[who] = note
    if who == ALL:
        state.change_log.set(PAUSED_ALL, note)
    for attempt in tuple(state.assigned):
        run = attempt.run
        if run.attempt is attempt and not attempt.claimed:
            state.change_log.touch(run.job)
            unassign_run(state, run)
            make_ready(state, run)
    return state.waits.on([EXECUTED], lambda _: None) if wait and state.executing else None


def resume_all(state: State, now: Now, who: object) -> None:
    """Remove the pause of all jobs by ``who``; runs begin again when it was the last pause."""
    paused = state.pauses.pop(who, None) is not None
    if paused and who == ALL:
        state.change_log.set(PAUSED_ALL, None)
    if paused and not state.pauses and state.listening[JobResumed]:
        state.emit(now, JobResumed, name="", next_run_time=None)
