"""Shutdown: which runs may continue, which are ended, and what is reported about them."""

from typing import Final

from turnkeeper_trio._engine.completion import BY_SHUTDOWN, NO_RETRY_AT_SHUTDOWN, record_attempt
from turnkeeper_trio._engine.lifecycle import end_occurrence, end_run, request_cancel, settle_job
from turnkeeper_trio._engine.planning import remove_pending
from turnkeeper_trio._engine.rows import CancelCause, Job, Occurrence, Run, Shutdown
from turnkeeper_trio._engine.slots import make_ready, unassign_run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import EXECUTED, IDLE, Subject
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.shutdown_report import ShutdownReport
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.errors import SchedulerClosed
from turnkeeper_trio.events import ShutdownStarted

SHUT_DOWN_FIRST: Final = "the scheduler shut down first"


_WARN_AFTER: Final = (5_000_000, 30_000_000, 60_000_000)
"""Microseconds after which the log names the runs that a shutdown still waits for; then each minute again."""


def begin_shutdown(state: State, now: Now, *, forced: bool) -> None:
    """Begin to shut down, or change a graceful shutdown into a forced one. It may be called repeatedly."""
    closing = state.closing
    if closing is None:
        closing = state.closing = Shutdown(now.loop)
        closing.warn_at = now.loop + _WARN_AFTER[0]
        if state.ending:
            for run in tuple(state.active):
                if run.blocked:
                    _end_waiting(state, now, run)
        if state.listening[ShutdownStarted]:
            state.emit(now, ShutdownStarted, forced=forced)
    if forced and not closing.forced:
        closing.forced = True
        if state.listening[ShutdownStarted]:
            state.emit(now, ShutdownStarted, forced=True)


def cut_off(state: State, now: Now) -> None:
    """Begin a forced shutdown, and ask every attempt that executes to end.

    It proposes no change, so it may be called while a store commits.
    """
    begin_shutdown(state, now, forced=True)
    for attempt in state.assigned:
        if attempt.scope is not None and attempt.run.attempt is attempt:
            request_cancel(state, now, attempt.run, CancelCause.SHUTDOWN, BY_SHUTDOWN)


def end_unstarted(state: State, now: Now, limit: int) -> bool:
    """End what is due and has not begun, at most ``limit`` occurrences and runs; return whether that was all.

    In a forced shutdown, also ask the attempts that execute to end. If a store keeps the jobs, nothing is ended: what
    has not begun stays as it is, and is handed back when the last attempt has ended.
    """
    closing = state.closing
    assert closing is not None
    for attempt in tuple(state.assigned):
        run = attempt.run
        if run.attempt is attempt and not attempt.claimed:
            if state.ending:
                _end_waiting(state, now, run)
            else:
                state.change_log.touch(run.job)
                unassign_run(state, run)
                make_ready(state, run)
        elif closing.forced and run.attempt is attempt:
            request_cancel(state, now, run, CancelCause.SHUTDOWN, BY_SHUTDOWN)
    if not state.ending:
        return True
    left = limit
    while left and len(state.ready):
        run = state.ready.pop()
        _end_waiting(state, now, run)
        left -= 1
    while left and len(state.retries):
        run = state.retries.pop()
        _end_waiting(state, now, run)
        left -= 1
    for queue, time in ((state.queue, now.wall), (state.delays, now.loop)):
        while left and (entry := queue.peek()) is not None and entry[0] <= time:
            occurrence = entry[-1]
            remove_pending(state, occurrence)
            end_occurrence(state, now, occurrence, Outcome.NEVER_STARTED, SHUT_DOWN_FIRST)
            settle_job(state, now, occurrence.job)
            left -= 1
    return left > 0


def fail_impossible_waits(state: State) -> None:
    """Answer the callers that wait for what will not happen here: in a forced shutdown, what was planned for later.

    If a store keeps the jobs, all that does not execute when the shutdown begins is left to it.

    Such a caller may be a thread of a run that is cut off. Nothing else would end its waiting, because asyncio does not
    cancel what a thread begins after it was cut off, and the shutdown would wait for the thread for ever.
    """
    if state.closing is None or not (state.closing.forced or state.durable):
        return
    for subject in state.waits.subjects():
        if _will_never_end(state, subject):
            for wait in state.waits.withdraw_all(subject):
                error = SchedulerClosed("the scheduler shuts down: what was planned for later will not come about")
                state.effects.answers.append((wait.token, error))


def _will_never_end(state: State, subject: Subject) -> bool:
    if state.durable:
        return _is_left_to_the_store(state, subject)
    match subject:
        case Occurrence():
            return subject.job.pending is subject
        case Job():
            return not subject.runs
        case _:
            return subject == IDLE and state.pending > 0


def _is_left_to_the_store(state: State, subject: Subject) -> bool:
    match subject:
        case Occurrence():
            runs = [run for run in subject.job.runs if run.occurrence is subject]
        case Job():
            runs = list(subject.runs)
        case _:
            return subject != EXECUTED and not state.executing
    return not any(run.executing for run in runs)


def end_all(state: State, now: Now) -> None:
    """End all runs that have not ended. There are none, unless the scheduler was torn down.

    Attempts that have not come back stay assigned. When they come back, their run has ended already.
    """
    while not end_unstarted(state, now, len(state.jobs) + 1):
        pass
    for run in tuple(state.active):
        if run.executing:
            attempt = run.attempt
            assert attempt is not None
            attempt.ended, attempt.revoked = now, True
            record_attempt(state, attempt)
            end_run(state, now, run, Outcome.INTERRUPTED, BY_SHUTDOWN)
        else:
            _end_waiting(state, now, run)


def warn_waiting(state: State, now: Now) -> None:
    """If it is time for that, have the log name the runs that the shutdown waits for."""
    closing = state.closing
    assert closing is not None
    if now.loop >= closing.warn_at and state.active:
        state.effects.shutdown_waits = tuple(state.active_run(now, run) for run in state.active)
        waited = now.loop - closing.since
        later = waited - waited % _WARN_AFTER[-1] + _WARN_AFTER[-1]
        closing.warn_at = closing.since + next((after for after in _WARN_AFTER if after > waited), later)


def _end_waiting(state: State, now: Now, run: Run) -> None:
    """End a run that does not execute: its first attempt never began, or no retry of it will begin."""
    if run.begun:
        end_run(state, now, run, Outcome.INTERRUPTED, NO_RETRY_AT_SHUTDOWN, error=run.error)
    else:
        end_run(state, now, run, Outcome.NEVER_STARTED, SHUT_DOWN_FIRST)


def shutdown_report(state: State, now: Now) -> ShutdownReport:
    """Return what the shutdown has done so far."""
    closing = state.closing or Shutdown(now.loop)
    return ShutdownReport(
        finished=tuple(state.record(run) for run in closing.finished),
        interrupted=tuple(state.record(run) for run in closing.interrupted),
        never_started=tuple(state.record(item) for item in closing.never_started),
        still_running=tuple(state.active_run(now, run) for run in state.active),
        unrun=state.pending + closing.unrun,
        handed_back=closing.handed_back,
        unsaved=state.change_log.unsaved,
    )
