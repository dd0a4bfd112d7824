"""What becomes of a run when one of its attempts has ended."""

from types import CoroutineType
from typing import Any, Final, assert_never, cast

from turnkeeper_trio import _checks
from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.endings import Cause, Ending
from turnkeeper_trio._engine.lifecycle import cancel_lineage, drop_waiting, end_run
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Run
from turnkeeper_trio._engine.turns import call_next
from turnkeeper_trio._engine.waiting import EXECUTED
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.event import RunRetrying, RunStarted
from turnkeeper_trio._model.instants import seconds
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import FailedAttempt, Outcome
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze, Verdict

TOO_LATE = "it could not start before its start_deadline"
BY_SHUTDOWN = "cut off by the shutdown"
DURING_CLEANUP = "failed while it cleaned up after it was asked to end"
NO_RETRY_AT_SHUTDOWN = "the scheduler shut down before its retry"


def started(state: State, attempt: Attempt, now: Now) -> None:
    """A worker has begun an attempt: tell it. Only called where somebody listens."""
    run = attempt.run
    state.emit(
        RunStarted,
        now,
        job=run.job,
        run_id=state.run_id(run),
        name=run.job.request.name,
        attempt=attempt.number,
        lateness=seconds(attempt.started.wall - run.occurrence.due_at),
    )


def report(state: State, attempt: Attempt, now: Now) -> None:
    """An attempt has come back from its worker."""
    state.unassign(attempt)
    if not attempt.claimed:
        if not attempt.revoked:
            end_run(state, attempt.run, Outcome.MISSED, now, TOO_LATE)
        return
    if EXECUTED in state.waits and not state.executing:
        state.over(EXECUTED)
    if attempt.revoked:
        return  # The scheduler was torn down before it came back: its run was dealt with then.
    note_on_run(state, attempt)
    _hear_verdict(attempt)
    state.counters.count(attempt)
    _decide(state, attempt.run, attempt, now)


def note_on_run(state: State, attempt: Attempt) -> None:
    """Note on a run what an attempt that has ended was."""
    run = attempt.run
    run.attempt = None
    run.begun = attempt.number
    run.since = attempt.ended.loop
    run.executed += attempt.ended.loop - attempt.started.loop
    if run.started_at is None:
        run.started_at = attempt.started.wall
        run.first_loop = attempt.started.loop
        state.counters.queue_wait_count += 1
        state.counters.queue_wait_sum += max(0, attempt.started.wall - run.occurrence.due_at)


def _hear_verdict(attempt: Attempt) -> None:
    """A verdict means the same whether it was returned or raised."""
    said = attempt.value if attempt.ending is Ending.RETURNED else attempt.error
    error: TypeError | None = None
    if guard.is_a(said, Verdict):
        error = _what_is_wrong(said)
        if error is None:
            attempt.ending, attempt.value, attempt.error = Ending.VERDICT, said, None
    elif guard.is_a(said, type) and Verdict in type.mro(cast("type", said)):
        error = TypeError(
            f"it returned the class {guard.class_name(cast('type', said))}: return or raise an instance of it"
        )
    if error is not None:
        attempt.ending, attempt.value, attempt.error = Ending.RAISED, None, error


def _what_is_wrong(verdict: Any) -> TypeError | None:
    """Return what is wrong with a verdict, if anything is: a subclass of one's own may be anything."""
    kind = guard.type_name(verdict)
    if not guard.is_a(verdict, (Retry, Snooze, GiveUp, CancelJob)):
        return TypeError(f"{kind} is no verdict: use Retry, Snooze, GiveUp or CancelJob")
    if guard.is_a(verdict, Retry):
        after = guard.attribute(verdict, "after_us", _MISSING)
        whole = after is None or _is_delay(after)
    else:
        whole = not guard.is_a(verdict, Snooze) or _is_delay(guard.attribute(verdict, "delay_us", _MISSING))
    return None if whole else TypeError(f"{kind} says nothing: its __init__ must call super().__init__(...)")


def _is_delay(value: object) -> bool:
    return type(value) is int and 0 <= value <= _checks.LONGEST


_MISSING: Final = object()


def _decide(state: State, run: Run, attempt: Attempt, now: Now) -> None:
    if attempt.ending is Ending.VERDICT:
        _heed(state, run, attempt, now)
    elif attempt.ending is Ending.RETURNED and attempt.value is not False:
        end_run(state, run, Outcome.SUCCEEDED, now, value=attempt.value)
    elif attempt.ending is Ending.FATAL:
        state.effects.fatal = attempt.error
        end_run(state, run, Outcome.FAILED, now, "it ended the program", error=attempt.error)
    elif attempt.cause is not None or attempt.ending is Ending.CUT_OFF:
        _asked_to_end(state, run, attempt, now)
    else:
        _failed(state, run, attempt, now)


def _asked_to_end(state: State, run: Run, attempt: Attempt, now: Now) -> None:
    """It did not succeed, and it had been asked to end: nothing is tried again. To want to go on is not to fail."""
    error = attempt.error
    failed = attempt.ending is not Ending.CUT_OFF and not guard.is_a(attempt.value, Snooze)
    match attempt.cause:
        case Cause.CANCEL | Cause.REPLACED if not failed:
            end_run(state, run, Outcome.CANCELLED, now, run.reason)
        case Cause.CANCEL | Cause.REPLACED:
            end_run(state, run, Outcome.FAILED, now, DURING_CLEANUP, error=error)
        case Cause.SHUTDOWN | None:
            end_run(state, run, Outcome.INTERRUPTED, now, BY_SHUTDOWN, error=error)
        case _:
            assert_never(attempt.cause)


def _failed(state: State, run: Run, attempt: Attempt, now: Now, after: int | None = None) -> None:
    """An attempt failed: try again, ``after`` so long or as the policy says, if that is allowed."""
    outcome = Outcome.TIMED_OUT if attempt.ending is Ending.TIMED_OUT else Outcome.FAILED
    reason = _reason(attempt)
    job = run.job
    run.failures += 1
    if job.request.max_retries is not None and run.failures > job.request.max_retries:
        end_run(state, run, outcome, now, reason, error=attempt.error)
        return
    why_not = attempt.last or ("its job was cancelled" if job.state is JobState.CANCELLED else "")
    if why_not:
        end_run(state, run, outcome, now, f"{reason}; not tried again, for {why_not}", error=attempt.error)
        return
    if after is None:
        elapsed = seconds(attempt.ended.loop - run.first_loop)
        after, why_not = _ask_policy(state, run, FailedAttempt(run.failures, outcome, attempt.error, elapsed))
    if after is None:
        end_run(state, run, outcome, now, f"{reason}; {why_not}", error=attempt.error)
    elif state.closing is not None:
        end_run(state, run, Outcome.INTERRUPTED, now, NO_RETRY_AT_SHUTDOWN, error=attempt.error)
    else:
        state.counters.retried += 1
        _go_on_later(state, run, attempt, after, now)


def _reason(attempt: Attempt) -> str:
    match attempt.ending:
        case Ending.RETURNED:
            return "it returned False"
        case Ending.TIMED_OUT:
            return "it did not end within its timeout"
        case Ending.VERDICT:
            return guard.text(attempt.value)
        case _:
            return f"it raised {guard.type_name(attempt.error)}"


def _ask_policy(state: State, run: Run, failed: FailedAttempt) -> tuple[int | None, str]:
    """Return the delay in microseconds, or ``None`` and why there is none. A policy is a user's: it may be faulty."""
    policy = run.job.request.retry_policy
    delay, fault = guard.call(lambda: policy.delay(failed, state.rng))
    if fault is not None:
        return None, f"its retry policy raised {guard.described(fault)}"
    if guard.is_coroutine(delay):
        guard.call(cast("CoroutineType[Any, Any, Any]", delay).close)  # or Python warns that it was never awaited
        return None, "its retry policy is async: a policy answers at once, write plain def"
    if delay is None:
        return None, "its retry policy gave up"
    us, fault = guard.call(_checks.duration, "the delay", delay)
    return us, "" if fault is None else f"its retry policy gave no delay: {guard.text(fault)}"


def _go_on_later(state: State, run: Run, attempt: Attempt, delay: int, now: Now) -> None:
    """Let a run wait for its next attempt: it holds no worker, and others of its job may take their turn."""
    job = run.job
    run.waiting_retry = True
    run.snoozed = guard.is_a(attempt.value, Snooze)
    run.error = attempt.error
    run.next_loop = attempt.ended.loop + delay
    state.retries.push((run.next_loop, job.seq, run.number, run))
    if attempt.error is not None:
        state.effects.ended.append(run)
    if state.listening:
        state.emit(
            RunRetrying,
            now,
            job=job,
            run_id=state.run_id(run),
            name=job.request.name,
            attempt=attempt.number,
            reason=_reason(attempt),
            error=attempt.error,
            delay=seconds(delay),
        )
    call_next(state, job)


def _heed(state: State, run: Run, attempt: Attempt, now: Now) -> None:
    """The job said itself how its run is to go on. Having been asked to end goes before trying again."""
    verdict: Any = attempt.value
    if guard.is_a(verdict, CancelJob):
        why = _reason(attempt)
        if run.job.state is not JobState.CANCELLED:
            cancel_lineage(state, run.job, now, why)
        end_run(state, run, Outcome.CANCELLED, now, why)
        drop_waiting(state, run.job, now, why)
    elif guard.is_a(verdict, GiveUp):
        end_run(state, run, Outcome.FAILED, now, _reason(attempt))
    elif attempt.cause is not None:
        _asked_to_end(state, run, attempt, now)
    elif guard.is_a(verdict, Retry):
        _failed(state, run, attempt, now, verdict.after_us)
    elif attempt.last or run.job.state is JobState.CANCELLED:
        end_run(state, run, Outcome.CANCELLED, now, attempt.last or run.job.reason)
    elif state.closing is not None:
        end_run(state, run, Outcome.INTERRUPTED, now, NO_RETRY_AT_SHUTDOWN)
    else:
        _go_on_later(state, run, attempt, verdict.delay_us, now)
