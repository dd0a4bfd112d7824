"""What happens to a run when one of its attempts has ended: it ends, or a further attempt follows."""

from types import CoroutineType
from typing import Any, Final, assert_never, cast

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.lifecycle import cancel_lineage, cancel_waiting, end_run
from turnkeeper_trio._engine.rows import Attempt, AttemptResult, CancelCause, Run
from turnkeeper_trio._engine.slots import add_waiting, promote_waiting
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import EXECUTED
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import FailedAttempt, Outcome
from turnkeeper_trio._model.text import counted
from turnkeeper_trio._model.times import MAX_INSTANT, Now, seconds
from turnkeeper_trio.events import RunRetrying, RunStarted
from turnkeeper_trio.policies import OnCrash
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze, Verdict

TOO_LATE = "it could not start before its start_deadline"


BY_SHUTDOWN = "cut off by the shutdown"


DURING_CLEANUP = "failed while it cleaned up after it was asked to end"


CRASHED = "its process died while it executed"


NO_RETRY_AT_SHUTDOWN = "the scheduler shut down before its retry"


def attempt_started(state: State, now: Now, attempt: Attempt) -> None:
    """Emit the event that a worker has begun an attempt. It is called only while there are listeners."""
    run = attempt.run
    state.emit(
        now,
        RunStarted,
        job=run.job,
        run_id=state.run_id(run),
        name=run.job.request.name,
        attempt=attempt.number,
        lateness=seconds(attempt.started.wall - run.occurrence.due_at),
    )


def report(state: State, now: Now, attempt: Attempt) -> None:
    """Take an attempt that has come back from its worker, and decide how its run continues."""
    state.unassign(attempt)
    state.change_log.touch(attempt.run.job)
    if not attempt.claimed:
        if not attempt.revoked:
            end_run(state, now, attempt.run, Outcome.MISSED, TOO_LATE)
        return
    if state.waits and EXECUTED in state.waits and not state.executing:
        state.answer_waits(EXECUTED)
    if attempt.revoked:
        return  # The scheduler was torn down before the attempt came back, and ended its run then.
    record_attempt(state, attempt)
    if attempt.completed:
        _note_completed(attempt)
    elif attempt.ending is AttemptResult.RETURNED and attempt.value is None:
        # Most attempts end so. There is no verdict to read, and nothing to decide.
        state.counters.count(attempt)
        end_run(state, now, attempt.run, Outcome.SUCCEEDED)
        return
    else:
        _read_verdict(attempt)
    state.counters.count(attempt)
    _decide(state, now, attempt.run, attempt)


def record_attempt(state: State, attempt: Attempt) -> None:
    """Note on a run that an attempt of it has ended: its number and its times."""
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


def _note_completed(attempt: Attempt) -> None:
    """Count an attempt that had completed its run as one that succeeded, however it ended. Only its error is kept."""
    if attempt.ending is not AttemptResult.FATAL:
        attempt.ending, attempt.value = AttemptResult.RETURNED, None


def _read_verdict(attempt: Attempt) -> None:
    """Recognize a verdict, which means the same whether it was returned or raised."""
    result = attempt.value if attempt.ending is AttemptResult.RETURNED else attempt.error
    if result is None:
        return
    error: TypeError | None = None
    if guard.is_a(result, Verdict):
        error = _verdict_fault(result)
        if error is None:
            attempt.ending, attempt.value, attempt.error = AttemptResult.VERDICT, result, None
    elif guard.is_a(result, type) and Verdict in type.mro(cast("type", result)):
        error = TypeError(
            f"it returned the class {guard.class_name(cast('type', result))}: return or raise an instance of it"
        )
    if error is not None:
        attempt.ending, attempt.value, attempt.error = AttemptResult.RAISED, None, error


def _verdict_fault(verdict: Any) -> TypeError | None:
    """Return what is wrong with a verdict, or ``None``. It may be of a user's subclass, and be incomplete."""
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
    return type(value) is int and 0 <= value <= _validation.LONGEST


_MISSING: Final = object()


def _decide(state: State, now: Now, run: Run, attempt: Attempt) -> None:
    if attempt.completed:
        if attempt.ending is AttemptResult.FATAL:
            state.effects.fatal = attempt.error
        why = "" if attempt.error is None else f"it raised {guard.type_name(attempt.error)} after it was completed"
        end_run(state, now, run, Outcome.SUCCEEDED, why, value=attempt.kept)
    elif attempt.ending is AttemptResult.VERDICT:
        _apply_verdict(state, now, run, attempt)
    elif attempt.ending is AttemptResult.RETURNED and attempt.value is not False:
        end_run(state, now, run, Outcome.SUCCEEDED, value=attempt.value)
    elif attempt.ending is AttemptResult.FATAL:
        state.effects.fatal = attempt.error
        end_run(state, now, run, Outcome.FAILED, "it ended the program", error=attempt.error)
    elif attempt.cause is not None or attempt.ending is AttemptResult.CUT_OFF:
        _end_cancelled(state, now, run, attempt)
    else:
        _fail_attempt(state, now, run, attempt)


def _end_cancelled(state: State, now: Now, run: Run, attempt: Attempt) -> None:
    """End the run of an attempt that was asked to end and did not succeed. No further attempt follows.

    An attempt that snoozed has not failed.
    """
    error = attempt.error
    failed = attempt.ending is not AttemptResult.CUT_OFF and not guard.is_a(attempt.value, Snooze)
    match attempt.cause:
        case CancelCause.CANCEL | CancelCause.REPLACED if not failed:
            end_run(state, now, run, Outcome.CANCELLED, run.reason)
        case CancelCause.CANCEL | CancelCause.REPLACED:
            end_run(state, now, run, Outcome.FAILED, DURING_CLEANUP, error=error)
        case CancelCause.LOST:
            end_run(state, now, run, Outcome.LOST, run.reason)
        case CancelCause.SHUTDOWN | None if state.durable and run.holder is run.job:
            _go_on_elsewhere(state, now, run, attempt)
        case CancelCause.SHUTDOWN | None:
            end_run(state, now, run, Outcome.INTERRUPTED, BY_SHUTDOWN, error=error)
        case _:
            assert_never(attempt.cause)


def _go_on_elsewhere(state: State, now: Now, run: Run, attempt: Attempt) -> None:
    """Do with a run that the shutdown cut off what its job asks for: the store keeps it, and it may go on later."""
    match run.job.request.on_crash:
        case OnCrash.RERUN if run.job.state is not JobState.CANCELLED:
            begin_again(state, now, run)
        case OnCrash.FAIL:
            _fail_attempt(state, now, run, attempt)
        case OnCrash.RERUN | OnCrash.MARK:
            end_run(state, now, run, Outcome.INTERRUPTED, BY_SHUTDOWN, error=attempt.error)
        case _:
            assert_never(run.job.request.on_crash)


def crash(state: State, now: Now, run: Run, *, retired: bool) -> None:
    """Decide about a run whose process died while it executed. ``retired``: its job is not the one that has its id now.

    The attempt counts as one that began. With `OnCrash.RERUN` a further attempt costs no retry.
    """
    job = run.job
    run.crashes += 1
    if retired or job.state in ENDED_STATES:
        end_run(state, now, run, Outcome.INTERRUPTED, CRASHED)
    elif run.crashes >= job.request.crash_limit:
        end_run(state, now, run, Outcome.FAILED, f"its process died {counted(run.crashes, 'time')} while it executed")
    elif job.request.on_crash is OnCrash.MARK:
        end_run(state, now, run, Outcome.INTERRUPTED, CRASHED)
    elif job.request.on_crash is OnCrash.FAIL:
        attempt = Attempt(now, run, run.begun)
        attempt.ending = AttemptResult.CRASHED
        _fail_attempt(state, now, run, attempt)
    else:
        begin_again(state, now, run, first=True)


def begin_again(state: State, now: Now, run: Run, *, first: bool = False) -> None:
    """Have a further attempt of a run begin as soon as it may; with ``first``, before the runs of its job that wait."""
    run.waiting_retry, run.wake_at = False, None
    run.since, run.ready_at = now.loop, now.wall
    add_waiting(run.job, run, first=first)
    promote_waiting(state, run.job)


def _fail_attempt(state: State, now: Now, run: Run, attempt: Attempt, after: int | None = None) -> None:
    """Plan a retry after a failed attempt, or end the run if none is allowed.

    The delay is ``after`` (microseconds); if it is ``None``, the retry policy decides.
    """
    outcome = Outcome.TIMED_OUT if attempt.ending is AttemptResult.TIMED_OUT else Outcome.FAILED
    reason = _reason(attempt)
    job = run.job
    run.failures += 1
    if job.request.max_retries is not None and run.failures > job.request.max_retries:
        end_run(state, now, run, outcome, reason, error=attempt.error)
        return
    why_not = attempt.no_retry_reason or ("its job was cancelled" if job.state is JobState.CANCELLED else "")
    if why_not:
        end_run(state, now, run, outcome, f"{reason}; not tried again, for {why_not}", error=attempt.error)
        return
    if after is None:
        elapsed = seconds(attempt.ended.loop - run.first_loop)
        after, why_not = _ask_policy(state, run, FailedAttempt(run.failures, outcome, attempt.error, elapsed))
    if after is None:
        end_run(state, now, run, outcome, f"{reason}; {why_not}", error=attempt.error)
    elif state.ending:
        end_run(state, now, run, Outcome.INTERRUPTED, NO_RETRY_AT_SHUTDOWN, error=attempt.error)
    else:
        state.counters.retried += 1
        _schedule_retry(state, now, run, attempt, after)


def _reason(attempt: Attempt) -> str:
    match attempt.ending:
        case AttemptResult.RETURNED:
            return "it returned False"
        case AttemptResult.TIMED_OUT:
            return "it did not end within its timeout"
        case AttemptResult.CRASHED:
            return CRASHED
        case AttemptResult.CUT_OFF:
            return BY_SHUTDOWN
        case AttemptResult.VERDICT:
            return guard.text(attempt.value)
        case _:
            return f"it raised {guard.type_name(attempt.error)}"


def _ask_policy(state: State, run: Run, failed: FailedAttempt) -> tuple[int | None, str]:
    """Return the delay in microseconds, or ``None`` and why there is none.

    The policy may be a user's: if it is faulty, there is no retry.
    """
    policy = run.job.request.retry_policy
    delay, fault = guard.call(lambda: policy.delay(failed, state.rng))
    if fault is not None:
        return None, f"its retry policy raised {guard.described(fault)}"
    if guard.is_coroutine(delay):
        # Otherwise Python warns that it was never awaited.
        guard.call(cast("CoroutineType[Any, Any, Any]", delay).close)
        return None, "its retry policy is async: a policy answers at once, write plain def"
    if delay is None:
        return None, "its retry policy gave up"
    us, fault = guard.call(_validation.duration, "the delay", delay)
    return us, "" if fault is None else f"its retry policy gave no delay: {guard.text(fault)}"


def _schedule_retry(state: State, now: Now, run: Run, attempt: Attempt, delay: int) -> None:
    """Let a run wait for its next attempt. It holds no worker, and other runs of its job may start."""
    job = run.job
    run.waiting_retry = True
    run.snoozed = guard.is_a(attempt.value, Snooze)
    run.error = attempt.error
    run.next_loop = attempt.ended.loop + delay
    run.wake_at = min(now.wall + run.next_loop - now.loop, MAX_INSTANT)
    state.retries.push((run.next_loop, job.seq, run.number, run))
    if attempt.error is not None:
        state.effects.frames_to_clear.append(run)
    if state.listening[RunRetrying]:
        state.emit(
            now,
            RunRetrying,
            job=job,
            run_id=state.run_id(run),
            name=job.request.name,
            attempt=attempt.number,
            reason=_reason(attempt),
            error=attempt.error,
            delay=seconds(delay),
        )
    promote_waiting(state, job)


def _apply_verdict(state: State, now: Now, run: Run, attempt: Attempt) -> None:
    """Do what a verdict asks for. An attempt that was asked to end is not tried again, whatever its verdict is."""
    verdict: Any = attempt.value
    if guard.is_a(verdict, CancelJob):
        why = _reason(attempt)
        if run.job.state is not JobState.CANCELLED:
            cancel_lineage(state, now, run.job, why)
        end_run(state, now, run, Outcome.CANCELLED, why)
        cancel_waiting(state, now, run.job, why)
    elif guard.is_a(verdict, GiveUp):
        end_run(state, now, run, Outcome.FAILED, _reason(attempt))
    elif attempt.cause is not None:
        _end_cancelled(state, now, run, attempt)
    elif guard.is_a(verdict, Retry):
        _fail_attempt(state, now, run, attempt, verdict.after_us)
    elif attempt.no_retry_reason or run.job.state is JobState.CANCELLED:
        end_run(state, now, run, Outcome.CANCELLED, attempt.no_retry_reason or run.job.reason)
    elif state.ending:
        end_run(state, now, run, Outcome.INTERRUPTED, NO_RETRY_AT_SHUTDOWN)
    else:
        _schedule_retry(state, now, run, attempt, verdict.delay_us)
