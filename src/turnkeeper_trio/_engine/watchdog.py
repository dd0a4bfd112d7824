"""The watchdog: it finds attempts that do not end when they should, or that execute for long.

Each attempt that executes has at most one time at which it is checked, ``check_at``. These times are not in a queue,
because nearly all attempts end before they are checked, and there are never many attempts at once. Instead, the state
holds the earliest of them. When it has come, all attempts are looked through. So an attempt that ends costs nothing.

An attempt that is bound and waits for its worker is not checked, because it cannot be late before it begins. The time
is set when the worker begins it.

The reason for a check may have changed when the time comes: the timeout was extended, or the job was updated. So a
check decides from what is true then.
"""

from turnkeeper_trio._engine.rows import Attempt, Job
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.times import NEVER, Now


def body_began(state: State, now: Now, attempt: Attempt) -> bool:
    """Set when an attempt that begins is checked; return whether the coordinator has to wake sooner for that."""
    before = state.check_at
    _watch(state, now, attempt)
    return state.check_at < before


def _watch(state: State, now: Now, attempt: Attempt) -> None:
    """Set when an attempt that was not asked to end is checked: ``stuck_after``, or the grace after its timeout."""
    after, deadline, at = attempt.run.job.request.stuck_after_us, attempt.deadline, NEVER
    if after is not None and not attempt.stuck_reported:
        at = attempt.started.loop + after
    if deadline is not None:
        # At least 1 later than now: the deadline may have passed though the event loop has not cancelled the scope yet.
        at = min(at, max(deadline + cleanup_grace_us(state, attempt), now.loop + 1))
    state.set_check(attempt, at)


def reset_checks(state: State, now: Now, job: Job) -> None:
    """Set again when the attempts of a job are checked, because the job was updated and its limits may be shorter."""
    for run in job.runs:
        attempt = run.attempt
        if attempt is not None and attempt.claimed and attempt.cause is None and not attempt.stuck:
            _watch(state, now, attempt)


def cleanup_grace_us(state: State, attempt: Attempt) -> int:
    """Return how long an attempt may take to end after it was asked to, in microseconds."""
    grace = attempt.run.job.request.cleanup_grace_us
    return state.options.cleanup_grace if grace is None else grace


def check_overdue(state: State, now: Now) -> None:
    """Check each attempt whose time has come, and set when to look again."""
    state.check_at = NEVER
    for attempt in state.assigned:
        if attempt.check_at <= now.loop:
            attempt.check_at = NEVER
            _check_attempt(state, now, attempt)
        else:
            state.check_at = min(state.check_at, attempt.check_at)


def _check_attempt(state: State, now: Now, attempt: Attempt) -> None:
    """Report an attempt if it is stuck or executes for long; unless it is stuck, check it again later."""
    if attempt.cause is not None or _is_past_grace(state, now, attempt):
        attempt.stuck = True
        state.effects.stuck.append(attempt)
        return
    after = attempt.run.job.request.stuck_after_us
    if after is not None and not attempt.stuck_reported and now.loop - attempt.started.loop >= after:
        attempt.stuck_reported = True
        state.effects.stuck.append(attempt)
    _watch(state, now, attempt)


def _is_past_grace(state: State, now: Now, attempt: Attempt) -> bool:
    timed_out_at = attempt.timed_out_at
    return timed_out_at is not None and now.loop >= timed_out_at + cleanup_grace_us(state, attempt)
