"""The invariants of the state, as equalities: for tests, after every step."""

from turnkeeper_trio._engine.asking import books
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import NO_RUNS
from turnkeeper_trio._model.job import ENDED_STATES, JobState


def check(state: State) -> None:
    """Assert that the tables agree with each other and that the books balance.

    Equalities, never inclusions: an entry too many is as wrong as one too few.
    """
    assert books(state).balanced, books(state)
    _check_pending(state)
    _check_active(state)
    _check_assigned(state)
    _check_ended(state)
    assert not NO_RUNS


def _check_pending(state: State) -> None:
    pending = {job.pending for job in state.jobs.values() if job.pending is not None}
    assert {*state.queue, *state.delays} == pending
    assert len(state.queue) + len(state.delays) == len(pending)
    for occurrence in pending:
        assert occurrence.job.state is JobState.ACTIVE
        assert occurrence.place != OUT
        assert occurrence.due_at >= occurrence.scheduled_at


def _check_active(state: State) -> None:
    jobs = {run.job for run in state.active} | {job for job in state.jobs.values() if job.runs}
    assert {run for job in jobs for run in job.runs} == set(state.active)
    ready, retries = set(state.ready), set(state.retries)
    bound = {run for run in state.active if run.attempt is not None}
    waiting = {run for job in jobs for run in job.waiting}
    assert len(ready) + len(retries) + len(bound) + len(waiting) == len(state.active)
    assert ready | retries | bound | waiting == set(state.active)
    assert {run for run in state.active if run.waiting_retry} == retries
    for run in state.active:
        assert run.outcome is None
        assert run.executing or run.job.state is not JobState.CANCELLED


def _check_assigned(state: State) -> None:
    assert {run.attempt for run in state.active if run.attempt is not None} == {
        attempt for attempt in state.assigned if attempt.run.attempt is attempt
    }
    for attempt in state.assigned:
        assert attempt.revoked == (attempt.run.attempt is not attempt)
    assert 0 <= state.capacity <= state.options.max_workers + state.options.dispatch_buffer
    assert {attempt for attempt in state.assigned if attempt.place != OUT} == set(state.alarms)


def _check_ended(state: State) -> None:
    ended = {job for job in state.jobs.values() if job.state in ENDED_STATES and not job.runs}
    assert ended == set(state.ended_jobs)
    assert len(state.archive.runs) <= state.options.history_limit
    assert len(state.archive.non_runs) <= state.options.history_limit
    for job in state.jobs.values():
        if job.state is JobState.ACTIVE and job.had_occurrence and state.closing is None:
            assert job.pending is not None or job.runs
