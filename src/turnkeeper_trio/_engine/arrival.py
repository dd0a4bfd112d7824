"""Arrival: an occurrence has become due, and a run is made of it, by the rules for overlap."""

from typing import assert_never

from turnkeeper_trio._engine.endings import Cause
from turnkeeper_trio._engine.lifecycle import ask_to_end, end_run
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import NO_RUNS, Job, Occurrence, Run
from turnkeeper_trio._engine.turns import call_next, in_the_way, leave_waiting, make_ready, room, wait_turn
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio.policies import Overlap

SUPERSEDED_BY_NEXT = "superseded by the next occurrence"
OVERLAP = "the run before it had not ended"
ONE_WAITS = "another occurrence was waiting already"
TOO_MANY_WAIT = "max_waiting others were waiting already"
NEWER = "a newer occurrence took its place"
REPLACED = "replaced by the next occurrence"


def refusal(job: Job, overlap: Overlap, waiting: int) -> str:
    """Return why an occurrence that cannot start is skipped, with so many others waiting; empty if it may wait."""
    match overlap:
        case Overlap.SKIP:
            return OVERLAP
        case Overlap.BUFFER_ONE:
            return ONE_WAITS if waiting else ""
        case Overlap.BUFFER_ALL | Overlap.ALLOW_ALL:
            return TOO_MANY_WAIT if waiting >= job.request.max_waiting else ""
        case Overlap.CANCEL_OTHER:
            return ""
        case _:
            assert_never(overlap)


def begin(state: State, occurrence: Occurrence, now: Now, overlap: Overlap | None = None) -> Run:
    """Make a run of an occurrence that is due. It becomes ready, waits for others of its job, or ends as skipped."""
    job = occurrence.job
    alone = job.runs is NO_RUNS and job.state is not JobState.PAUSED and state.closing is None
    # It arrives before anything else is decided: a job with an active run is never taken for finished.
    run = _arrive(state, occurrence, now)
    run.overlap = overlap
    if alone:
        make_ready(state, run)
    else:
        _line_up(state, run, now)
    return run


def _arrive(state: State, occurrence: Occurrence, now: Now) -> Run:
    job = occurrence.job
    run = Run(occurrence, state.next_run(), now.loop)
    if job.runs is NO_RUNS:
        job.runs = {run: None}
    else:
        job.runs[run] = None
    state.active[run] = None
    job.ran += occurrence.origin is not Origin.TRIGGER
    if occurrence.run_id is not None:
        state.by_id[occurrence.run_id] = run
    return run


def _line_up(state: State, run: Run, now: Now) -> None:
    """Have a run that is not alone take its place among those of its job, or end it if it has none."""
    job, policy = run.job, run.overlap or run.job.request.overlap
    wait_turn(job, run)
    if policy is not Overlap.ALLOW_ALL and not job.request.retry_past_next:
        for other in tuple(job.runs):
            if other.waiting_retry:
                outcome = Outcome.CANCELLED if other.snoozed else Outcome.FAILED
                end_run(state, other, outcome, now, SUPERSEDED_BY_NEXT, error=other.error)
    if run not in job.runs:
        return  # That was one failure too many: the job was halted, and this run ended with it.
    call_next(state, job)
    if run.blocked and run.overlap is Overlap.ALLOW_ALL and room(job, policy) >= 1:
        leave_waiting(job, run)  # That it may run beside others is for this run, not for those before it that wait.
        make_ready(state, run)
    if run.blocked:
        others = in_the_way(job)
        if why := refusal(job, policy, len(job.waiting) - 1):
            end_run(state, run, Outcome.SKIPPED, now, why, by=others[0] if others else None)
        elif policy is Overlap.CANCEL_OTHER:
            _replace(state, [other for other in job.waiting if other is not run], others, now)


def _replace(state: State, waiting: list[Run], running: list[Run], now: Now) -> None:
    for other in waiting:
        end_run(state, other, Outcome.SUPERSEDED, now, NEWER)
    for other in running:
        if other.executing:
            ask_to_end(state, other, Cause.REPLACED, now, REPLACED)
        else:
            end_run(state, other, Outcome.CANCELLED, now, REPLACED, error=other.error)
