"""What becomes of a run when one of its attempts has ended."""

from typing import assert_never

from turnkeeper_trio import _checks
from turnkeeper_trio._engine.lifecycle import end_run
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Attempt, Cause, Ending, Run
from turnkeeper_trio._model.event import RunRetrying, RunStarted
from turnkeeper_trio._model.instants import seconds
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.record import described
from turnkeeper_trio._model.run import FailedAttempt, Outcome
from turnkeeper_trio.errors import ConfigurationError

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
    del state.assigned[attempt]
    if not attempt.claimed:
        return  # It was revoked, and its run was dealt with then.
    if attempt.place != OUT:
        state.alarms.remove(attempt)
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
    state.counters.count(attempt)
    if attempt.ending is Ending.RETURNED and attempt.value is not False:
        end_run(state, run, Outcome.SUCCEEDED, now, value=attempt.value)
    elif attempt.ending is Ending.FATAL:
        state.effects.fatal = attempt.error
        end_run(state, run, Outcome.FAILED, now, "it ended the program", error=attempt.error)
    elif attempt.cause is not None or attempt.ending is Ending.CUT_OFF:
        _asked_to_end(state, run, attempt, now)
    else:
        _failed(state, run, attempt, now)


def _asked_to_end(state: State, run: Run, attempt: Attempt, now: Now) -> None:
    """It did not succeed, and it had been asked to end: nothing is tried again."""
    error = attempt.error
    match attempt.cause:
        case Cause.CANCEL if attempt.ending is Ending.CUT_OFF:
            end_run(state, run, Outcome.CANCELLED, now, run.job.reason)
        case Cause.CANCEL:
            end_run(state, run, Outcome.FAILED, now, DURING_CLEANUP, error=error)
        case Cause.SHUTDOWN | None:
            end_run(state, run, Outcome.INTERRUPTED, now, BY_SHUTDOWN, error=error)
        case _:
            assert_never(attempt.cause)


def _failed(state: State, run: Run, attempt: Attempt, now: Now) -> None:
    outcome = Outcome.TIMED_OUT if attempt.ending is Ending.TIMED_OUT else Outcome.FAILED
    reason = _reason(attempt)
    job = run.job
    run.failures += 1
    if run.failures > job.request.max_retries:
        end_run(state, run, outcome, now, reason, error=attempt.error)
        return
    if job.state is JobState.CANCELLED:
        end_run(state, run, outcome, now, f"{reason}; not tried again, for its job was cancelled", error=attempt.error)
        return
    elapsed = seconds(attempt.ended.loop - run.first_loop)
    delay, why_not = _ask_policy(state, run, FailedAttempt(run.failures, outcome, attempt.error, elapsed))
    if delay is None:
        end_run(state, run, outcome, now, f"{reason}; {why_not}", error=attempt.error)
    elif state.closing is not None:
        end_run(state, run, Outcome.INTERRUPTED, now, NO_RETRY_AT_SHUTDOWN, error=attempt.error)
    else:
        _wait_for_retry(state, run, attempt, delay, now)


def _reason(attempt: Attempt) -> str:
    match attempt.ending:
        case Ending.RETURNED:
            return "it returned False"
        case Ending.TIMED_OUT:
            return "it did not end within its timeout"
        case _:
            return f"it raised {type(attempt.error).__name__}"


def _ask_policy(state: State, run: Run, failed: FailedAttempt) -> tuple[int | None, str]:
    """Return the delay in microseconds, or ``None`` and why there is none. A policy is a user's: it may be faulty."""
    try:
        delay = run.job.request.retry_policy.delay(failed, state.rng)
        return (None, "its retry policy gave up") if delay is None else (_checks.duration("the delay", delay), "")
    except ConfigurationError as exc:
        return None, f"its retry policy gave no delay: {exc}"
    except Exception as exc:  # noqa: BLE001  (whatever a policy raises, only its run is concerned)
        return None, f"its retry policy raised {described(exc)}"


def _wait_for_retry(state: State, run: Run, attempt: Attempt, delay: int, now: Now) -> None:
    job = run.job
    run.waiting_retry = True
    run.error = attempt.error
    state.counters.retried += 1
    state.retries.push((attempt.ended.loop + delay, job.seq, run.number, run))
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
            outcome=Outcome.TIMED_OUT if attempt.ending is Ending.TIMED_OUT else Outcome.FAILED,
            error=attempt.error,
            delay=seconds(delay),
        )
