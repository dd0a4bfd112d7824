"""Overlap: what becomes of a run that is due while other runs of its job are active."""

from typing import assert_never

from turnkeeper_trio._engine.lifecycle import end_run, request_cancel
from turnkeeper_trio._engine.rows import CancelCause, Job, Run
from turnkeeper_trio._engine.slots import (
    add_waiting,
    blocking_runs,
    free_slots,
    make_ready,
    promote_waiting,
    remove_waiting,
)
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.policies import Overlap

SUPERSEDED_BY_NEXT = "superseded by the next occurrence"


NEWER = "a newer occurrence took its place"


REPLACED = "replaced by the next occurrence"


def apply_overlap(state: State, now: Now, run: Run) -> None:
    """Decide by the policy for overlap whether a run starts beside the other runs of its job, waits or is skipped."""
    job, policy = run.job, run.overlap or run.job.request.overlap
    add_waiting(job, run)
    if policy is not Overlap.ALLOW_ALL and not job.request.retry_past_next:
        for other in tuple(job.runs):
            if other.waiting_retry:
                outcome = Outcome.CANCELLED if other.snoozed else Outcome.FAILED
                end_run(state, now, other, outcome, SUPERSEDED_BY_NEXT, error=other.error)
    if run not in job.runs:
        return  # One of these failures reached ``halt_after``: the job was halted, and this run was cancelled.
    promote_waiting(state, job)
    if run.blocked and run.overlap is Overlap.ALLOW_ALL and free_slots(job, policy) >= 1:
        remove_waiting(job, run)  # This policy is for this run only, so it may overtake the runs that wait.
        make_ready(state, run)
    if run.blocked:
        others = blocking_runs(job)
        if not (job.resolved or others or len(job.waiting) > 1):
            return  # It waits only until its function is registered.
        if why := skip_reason(job, policy, len(job.waiting) - 1):
            end_run(state, now, run, Outcome.SKIPPED, why, by=others[0] if others else None)
        elif policy is Overlap.CANCEL_OTHER:
            _cancel_others(state, now, [other for other in job.waiting if other is not run], others)


def _cancel_others(state: State, now: Now, waiting: list[Run], running: list[Run]) -> None:
    for other in waiting:
        end_run(state, now, other, Outcome.SUPERSEDED, NEWER)
    for other in running:
        if other.executing:
            request_cancel(state, now, other, CancelCause.REPLACED, REPLACED)
        else:
            end_run(state, now, other, Outcome.CANCELLED, REPLACED, error=other.error)


OVERLAP = "the run before it had not ended"


ONE_WAITS = "another occurrence was waiting already"


TOO_MANY_WAIT = "max_waiting others were waiting already"


def skip_reason(job: Job, overlap: Overlap, waiting: int) -> str:
    """Return why a run that cannot start now is skipped, if ``waiting`` others wait; empty if it may wait too."""
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
