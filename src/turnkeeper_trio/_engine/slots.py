"""Slots: how many runs of one job may be active at once. A run without a slot waits in ``job.waiting``.

So the ready queue holds only runs that may start, and none of them is checked twice. When a run of a job ends, the next
one that waits becomes ready.
"""

import math

from turnkeeper_trio._engine.rows import NO_RUNS, Job, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio.policies import Overlap


def blocking_runs(job: Job) -> list[Run]:
    """Return the active runs of a job that count towards the number that may be active at once."""
    past_next = job.request.retry_past_next
    return [run for run in job.runs if run not in job.waiting and (past_next or not run.waiting_retry)]


def free_slots(job: Job, overlap: Overlap) -> float:
    """Return how many further runs of a job may be active at once."""
    request = job.request
    limit = 1 if overlap is not Overlap.ALLOW_ALL else request.max_concurrent or math.inf
    return limit - len(blocking_runs(job))


def add_waiting(job: Job, run: Run, *, first: bool = False) -> None:
    """Add a run to those of its job that wait: last, or first, as also a retry for which the others wait."""
    if first or (run.begun and job.request.retry_past_next):
        job.waiting = {run: None, **job.waiting}
        return
    if job.waiting is NO_RUNS:
        job.waiting = {}
    job.waiting[run] = None


def remove_waiting(job: Job, run: Run) -> None:
    """Remove a run from those of its job that wait."""
    del job.waiting[run]
    if not job.waiting:
        job.waiting = NO_RUNS


def promote_waiting(state: State, job: Job) -> None:
    """Make waiting runs of a job ready, in order, as many as may be active at once.

    If the job is paused, only those that were triggered by hand become ready.
    """
    if job.waiting is NO_RUNS or state.closing is not None or not job.resolved:
        return
    for run in tuple(job.waiting):
        if job.state is JobState.PAUSED and run.occurrence.origin is not Origin.TRIGGER:
            continue
        if free_slots(job, run.overlap or job.request.overlap) < 1:
            return
        remove_waiting(job, run)
        make_ready(state, run)


def unassign_run(state: State, run: Run) -> None:
    """Remove a run that has not begun from the ready queue, or unassign it from the worker to which it is bound."""
    if run.attempt is not None:
        assert not run.attempt.claimed
        run.attempt.revoked = True
        run.attempt = None
    else:
        state.ready.remove(run)


def requeue_unstarted(state: State, job: Job) -> None:
    """Move the runs of a job that wait for a worker back to ``job.waiting``, at the front, because its rules changed.

    During a shutdown they stay where they are, because none of them starts any more.
    """
    if state.closing is not None:
        return
    back = [run for run in job.runs if not (run.executing or run.waiting_retry or run.blocked)]
    if back:
        for run in back:
            unassign_run(state, run)
        job.waiting = dict.fromkeys([*back, *job.waiting])


def make_ready(state: State, run: Run) -> None:
    """Put a run in the ready queue, which is ordered by priority, then due instant, then order of submission."""
    state.ready.push((-run.job.request.priority, run.ready_at, run.job.seq, run.number, run))
