"""Whose turn it is among the runs of one job: a run that has to wait for others waits at its job.

So the ready queue holds only what may start, nothing in it is looked at twice, and the run that ends calls the next.
"""

import math

from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import NO_RUNS, Job, Run
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio.policies import Overlap


def in_the_way(job: Job) -> list[Run]:
    """Return the active runs of a job that count against how many there may be at once."""
    past_next = job.request.retry_past_next
    return [run for run in job.runs if run not in job.waiting and (past_next or not run.waiting_retry)]


def room(job: Job, overlap: Overlap) -> float:
    """Return how many further runs of a job may be at once."""
    request = job.request
    limit = 1 if overlap is not Overlap.ALLOW_ALL else request.max_concurrent or math.inf
    return limit - len(in_the_way(job))


def wait_turn(job: Job, run: Run) -> None:
    """Have a run wait: behind the others, or before them if it was in their way already, as it waited for its retry."""
    if run.begun and job.request.retry_past_next:
        job.waiting = {run: None, **job.waiting}
        return
    if job.waiting is NO_RUNS:
        job.waiting = {}
    job.waiting[run] = None


def leave_waiting(job: Job, run: Run) -> None:
    """Take a run from those that wait."""
    del job.waiting[run]
    if not job.waiting:
        job.waiting = NO_RUNS


def call_next(state: State, job: Job) -> None:
    """Let those that wait go to the ready queue, in their order, while there is room. A paused job's only by hand."""
    if job.waiting is NO_RUNS or state.closing is not None:
        return
    for run in tuple(job.waiting):
        if job.state is JobState.PAUSED and run.occurrence.origin is not Origin.TRIGGER:
            continue
        if room(job, run.overlap or job.request.overlap) < 1:
            return
        leave_waiting(job, run)
        make_ready(state, run)


def take_back(state: State, run: Run) -> None:
    """Take a run that waits for a worker from the ready queue, or from the worker it is bound to."""
    if run.attempt is not None:
        assert not run.attempt.claimed
        run.attempt.revoked = True
        run.attempt = None
    else:
        state.ready.remove(run)


def recall(state: State, job: Job) -> None:
    """Have the runs of a job that wait for a worker wait for their turn again, before those that do: rules changed.

    At the end of the scheduler none gets its turn any more: they stay where they are, and are about to be ended.
    """
    if state.closing is not None:
        return
    back = [run for run in job.runs if not (run.executing or run.waiting_retry or run.blocked)]
    if back:
        for run in back:
            take_back(state, run)
        job.waiting = dict.fromkeys([*back, *job.waiting])


def make_ready(state: State, run: Run) -> None:
    """Put a run in the ready queue: by priority, then the instant it is due, then the order of submission."""
    state.ready.push((-run.job.request.priority, run.ready_at, run.job.seq, run.number, run))
