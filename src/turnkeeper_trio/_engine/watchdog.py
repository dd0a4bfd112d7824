"""Alarms: when an attempt is looked at again, for it may not end when it should.

An attempt has one alarm at most. Nearly all attempts end before it, and there are never many at once: so alarms are in
no queue, into which each attempt would go, and out again. When the first that was set goes off, all are looked through,
and nothing has to be done where an attempt ends.

An attempt that is bound and waits for its worker has none: nothing can be late before it has begun. The worker sets it
as it begins.

Whatever an alarm was set for may have changed when it goes off: the timeout was extended, the job was updated. So what
to do is read then, from what holds then.
"""

from turnkeeper_trio._engine.rows import Attempt, Job
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.times import NEVER, Now


def body_began(state: State, now: Now, attempt: Attempt) -> bool:
    """An attempt has begun: set its alarm. Return whether the coordinator has to look earlier than it would have."""
    before = state.check_at
    _watch(state, now, attempt)
    return state.check_at < before


def _watch(state: State, now: Now, attempt: Attempt) -> None:
    """Set the alarm of an attempt that nobody has asked to end: for the earliest of what there may be to notice."""
    after, deadline, at = attempt.run.job.request.stuck_after_us, attempt.deadline, NEVER
    if after is not None and not attempt.stuck_reported:
        at = attempt.started.loop + after
    if deadline is not None:
        # Where the deadline has come, and the event loop has not cancelled the scope yet, it is about to.
        at = min(at, max(deadline + cleanup_grace_us(state, attempt), now.loop + 1))
    state.set_check(attempt, at)


def reset_checks(state: State, now: Now, job: Job) -> None:
    """Set the alarms of a job's attempts anew: it was updated, and there may be something earlier to notice."""
    for run in job.runs:
        attempt = run.attempt
        if attempt is not None and attempt.claimed and attempt.cause is None and not attempt.stuck:
            _watch(state, now, attempt)


def cleanup_grace_us(state: State, attempt: Attempt) -> int:
    """Return how long an attempt that was asked to end may take."""
    grace = attempt.run.job.request.cleanup_grace_us
    return state.options.cleanup_grace if grace is None else grace


def check_overdue(state: State, now: Now) -> None:
    """The first alarm that was set may have gone off: look at each attempt whose alarm has."""
    state.check_at = NEVER
    for attempt in state.assigned:
        if attempt.check_at <= now.loop:
            attempt.check_at = NEVER
            _check_attempt(state, now, attempt)
        else:
            state.check_at = min(state.check_at, attempt.check_at)


def _check_attempt(state: State, now: Now, attempt: Attempt) -> None:
    """The alarm of an attempt has gone off: tell if it is stuck, or executes for long; else look again later."""
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
