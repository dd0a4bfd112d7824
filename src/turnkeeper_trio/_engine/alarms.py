"""Alarms: when an attempt is looked at again, for it may not end when it should.

An attempt has one alarm at most. Nearly all attempts end before it, and there are never many at once: so alarms are in
no queue, into which each attempt would go, and out again. When the first that was set goes off, all are looked through,
and nothing has to be done where an attempt ends.

An attempt that is bound and waits for its worker has none: nothing can be late before it has begun. The worker sets it
as it begins.

Whatever an alarm was set for may have changed when it goes off: the timeout was extended, the job was updated. So what
to do is read then, from what holds then.
"""

from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.now import NEVER, Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job


def began(state: State, attempt: Attempt, now: Now) -> bool:
    """An attempt has begun: set its alarm. Return whether the coordinator has to look earlier than it would have."""
    before = state.look_at
    _watch(state, attempt, now)
    return state.look_at < before


def _watch(state: State, attempt: Attempt, now: Now) -> None:
    """Set the alarm of an attempt that nobody has asked to end: for the earliest of what there may be to notice."""
    after, deadline, at = attempt.run.job.request.stuck_after_us, attempt.deadline, NEVER
    if after is not None and not attempt.told_long:
        at = attempt.started.loop + after
    if deadline is not None:
        # Where the deadline has come, and the event loop has not cancelled the scope yet, it is about to.
        at = min(at, max(deadline + cleanup_grace_us(state, attempt), now.loop + 1))
    state.set_alarm(attempt, at)


def watch_again(state: State, job: Job, now: Now) -> None:
    """Set the alarms of a job's attempts anew: it was updated, and there may be something earlier to notice."""
    for run in job.runs:
        attempt = run.attempt
        if attempt is not None and attempt.claimed and attempt.cause is None and not attempt.stuck:
            _watch(state, attempt, now)


def cleanup_grace_us(state: State, attempt: Attempt) -> int:
    """Return how long an attempt that was asked to end may take."""
    grace = attempt.run.job.request.cleanup_grace_us
    return state.options.cleanup_grace if grace is None else grace


def look_through(state: State, now: Now) -> None:
    """The first alarm that was set may have gone off: look at each attempt whose alarm has."""
    state.look_at = NEVER
    for attempt in state.assigned:
        if attempt.look_at <= now.loop:
            attempt.look_at = NEVER
            _look_again(state, attempt, now)
        else:
            state.look_at = min(state.look_at, attempt.look_at)


def _look_again(state: State, attempt: Attempt, now: Now) -> None:
    """The alarm of an attempt has gone off: tell if it is stuck, or executes for long; else look again later."""
    if attempt.cause is not None or _is_past_grace(state, attempt, now):
        attempt.stuck = True
        state.effects.stuck.append(attempt)
        return
    after = attempt.run.job.request.stuck_after_us
    if after is not None and not attempt.told_long and now.loop - attempt.started.loop >= after:
        attempt.told_long = True
        state.effects.stuck.append(attempt)
    _watch(state, attempt, now)


def _is_past_grace(state: State, attempt: Attempt, now: Now) -> bool:
    timed_out_at = attempt.timed_out_at
    return timed_out_at is not None and now.loop >= timed_out_at + cleanup_grace_us(state, attempt)
