"""Pausing: one job, or everything.

A paused job has no pending occurrence: what has passed when it is resumed is caught up by its rule. While everything is
paused the queue is just not looked at: when it is again, what has passed meanwhile is caught up by the same rules.
"""

from uuid import UUID

from turnkeeper_trio._engine.control import find_job, refuse_if_over
from turnkeeper_trio._engine.dueness import take_up
from turnkeeper_trio._engine.lifecycle import end_run, go_on, plan_after, settle_job, withdraw_pending
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import is_last, plan
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job, Occurrence, Run
from turnkeeper_trio._engine.turns import call_next, make_ready, recall, take_back
from turnkeeper_trio._engine.waiting import EXECUTED, Wait
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobPaused, JobResumed
from turnkeeper_trio._model.instants import utc_pendulum
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio.errors import JobHalted
from turnkeeper_trio.policies import CatchUp

PAUSED = "paused"


def pause_job(state: State, now: Now, job_id: UUID | str, *, note: str = "") -> None:
    """Plan and begin nothing more of a job until it is resumed, but by hand; what executes goes on. Twice is fine."""
    job = find_job(state, job_id)
    refuse_if_over(state, job)
    if job.state is JobState.HALTED:
        raise JobHalted(f"the job {job.request.name!r} is halted: {job.reason}", job_id=job.job_id)
    if job.state is JobState.PAUSED:
        job.reason = note or job.reason
        return
    reason = f"{PAUSED}: {note}" if note else PAUSED
    job.state, job.reason = JobState.PAUSED, note
    due = [run for run in job.runs if not (run.begun or run.executing or run.occurrence.origin is Origin.TRIGGER)]
    job.held = next((run.occurrence for run in due if _is_to_come(job, run)), job.pending)
    withdraw_pending(state, job, Outcome.CANCELLED, now, reason)
    for run in due:
        end_run(state, run, Outcome.CANCELLED, now, reason)
    recall(state, job)
    call_next(state, job)
    state.ledger.note(ChangeKind.JOB_CHANGED, job, {"state": job.state, "next": None, "reason": note})
    if state.listening:
        state.emit(JobPaused, now, job=job, name=job.request.name, note=note)


def _is_to_come(job: Job, run: Run) -> bool:
    """Return whether a run that is due and has not begun is taken up at the resume, and what comes after it.

    Whether a worker was free when its instant came does not decide whether it is lost: one that waits for a worker is
    still to come. One that waits for a run of its own job is not, unless nothing comes after it.
    """
    occurrence = run.occurrence
    return not run.blocked or occurrence.origin is Origin.INITIAL or is_last(job, occurrence.scheduled_at)


def resume_job(state: State, now: Now, job_id: UUID | str, *, missed: CatchUp | None = None) -> None:
    """Go on with a paused or halted job.

    What has passed while it was paused is caught up by ``missed``, or by its own rule; while it was halted, by none.
    """
    job = find_job(state, job_id)
    refuse_if_over(state, job)
    if job.state not in {JobState.PAUSED, JobState.HALTED}:
        return
    halted = job.state is JobState.HALTED
    held = go_on(job)
    if halted and held is not None and held.due_at <= now.wall:
        held = None
    _plan_again(state, job, held, missed or job.request.catch_up, now)
    call_next(state, job)
    following = None if job.pending is None else job.pending.scheduled_at
    state.ledger.note(ChangeKind.JOB_CHANGED, job, {"state": job.state, "next": following})
    if state.listening:
        at = None if job.pending is None else utc_pendulum(job.pending.due_at)
        state.emit(JobResumed, now, job=job, name=job.request.name, next_run_time=at)
    settle_job(state, job, now)


def _plan_again(state: State, job: Job, held: Occurrence | None, missed: CatchUp, now: Now) -> None:
    """Plan the occurrence that was held back; if its instant has passed, take up what is to run of it and the later."""
    if held is None or (job.delayed and held.origin is Origin.SCHEDULE):
        if job.pending is None and not (job.delayed and job.runs):
            plan_after(state, job, now.wall, now)
    elif held.due_at > now.wall:
        plan(state, job, held.scheduled_at, held.due_at, held.origin)
    else:
        state.counters.planned += 1
        take_up(state, Occurrence(job, held.scheduled_at, held.due_at, held.origin), now, missed)


def pause_all(state: State, now: Now, who: object, *, note: str, wait: bool) -> "Wait | None":
    """Begin nothing more of any job until ``who`` has resumed; the answer may wait for what executes."""
    if not state.pauses and state.listening:
        state.emit(JobPaused, now, name="", note=note)
    state.pauses[who] = note
    for attempt in tuple(state.assigned):
        run = attempt.run
        if run.attempt is attempt and not attempt.claimed:
            take_back(state, run)
            make_ready(state, run)
    return state.waits.on([EXECUTED], lambda _: None) if wait and state.executing else None


def resume_all(state: State, now: Now, who: object) -> None:
    """``who`` does not pause everything any more."""
    if state.pauses.pop(who, None) is not None and not state.pauses and state.listening:
        state.emit(JobResumed, now, name="", next_run_time=None)
