"""The invariants of the state, as equalities. Tests check them after every step, the runtime after a failed command."""

from itertools import pairwise
from typing import Any

from turnkeeper_trio._engine.history import BoundedLog, has_remains
from turnkeeper_trio._engine.queries import books
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._engine.rows import NO_RUNS, Job, JobHistory, NonRun, Occurrence, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import EXECUTED, IDLE, IDLE_DUE
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.times import NEVER


def check(state: State) -> None:
    """Assert that the tables agree with each other and that the books balance.

    All of them are equalities, not inclusions, because an entry too many is as wrong as one too few.
    """
    assert books(state).balanced, books(state)
    _check_pending(state)
    _check_active(state)
    _check_assigned(state)
    _check_ended(state)
    _check_remains(state)
    _check_log(state, state.history.runs)
    _check_log(state, state.history.non_runs)
    _check_ids(state)
    _check_waits(state)
    assert not NO_RUNS


def is_consistent(state: State) -> bool:
    """Return whether the tables agree with each other; ``False`` with ``python -O``, where `check` asserts nothing."""
    _, error = guard.call(check, state)
    return __debug__ and error is None


def _check_pending(state: State) -> None:
    pending = {job.pending for job in state.jobs.values() if job.pending is not None}
    assert {*state.queue, *state.delays} == pending
    assert len(state.queue) + len(state.delays) == len(pending)
    for occurrence in pending:
        assert occurrence.job.state is JobState.ACTIVE
        assert occurrence.place != OUT
        assert occurrence.due_at >= occurrence.scheduled_at


def _check_active(state: State) -> None:
    known = (*state.jobs.values(), *state.remains.values())
    jobs = {run.job for run in state.active} | {job for job in known if job.runs}
    assert {run for job in jobs for run in job.runs} == set(state.active)
    for job in jobs:
        assert list(job.runs) == [run for run in state.active if job in (run.job, run.holder)]
    ready, retries = set(state.ready), set(state.retries)
    bound = {run for run in state.active if run.attempt is not None}
    waiting = {run for job in jobs for run in job.waiting}
    assert len(ready) + len(retries) + len(bound) + len(waiting) == len(state.active)
    assert ready | retries | bound | waiting == set(state.active)
    assert {run for run in state.active if run.waiting_retry} == retries
    numbers = [run.number for run in state.active]
    assert numbers == sorted(set(numbers))
    for run in state.active:
        assert run.outcome is None
        assert JobState.FINISHED not in (run.job.state, run.holder.state)
        # The holder is the job that has the id now; the run's own job decides what follows when the run ends.
        assert run.holder is (state.jobs.get(run.job.job_id) or state.remains[run.job.job_id])
        assert run.holder is run.job or (run.executing and run.job.state is JobState.CANCELLED)
        assert run.executing or run.job.state is not JobState.CANCELLED


def _check_assigned(state: State) -> None:
    assert {run.attempt for run in state.active if run.attempt is not None} == {
        attempt for attempt in state.assigned if attempt.run.attempt is attempt
    }
    for attempt in state.assigned:
        assert attempt.revoked == (attempt.run.attempt is not attempt)
        assert attempt.claimed or attempt.scope is None
        assert attempt.claimed or attempt.check_at == NEVER
    assert 0 <= state.capacity <= state.options.max_workers + state.options.dispatch_buffer
    assert state.check_at <= min((attempt.check_at for attempt in state.assigned), default=NEVER)
    assert state.assigned or state.check_at == NEVER


def _check_ended(state: State) -> None:
    ended = {job for job in state.jobs.values() if job.state in ENDED_STATES and not job.runs}
    assert ended == set(state.ended_jobs)
    for job_id, job in state.jobs.items():
        assert job.job_id == job_id
        if job.state is JobState.ACTIVE and job.had_occurrence and not state.ending:
            assert job.pending is not None or job.runs
    numbers = [job.seq for job in state.jobs.values()]
    # Jobs that a store gave are behind those that came before them.
    assert sorted(numbers) == sorted(set(numbers)) if state.durable else numbers == sorted(set(numbers))


def _check_remains(state: State) -> None:
    """A job that was forgotten stays in ``remains`` exactly as long as a run or a record of it is left."""
    for job_id, job in state.remains.items():
        assert job.job_id == job_id
        assert job_id not in state.jobs
        assert job.pending is None
        assert job.state in ENDED_STATES
        assert has_remains(job)


def _check_log(state: State, log: BoundedLog[Any]) -> None:
    """A log and the histories of the jobs hold the same items, in the order in which they were recorded."""
    assert len(log) <= state.options.history_limit
    kept = list(log.newest_first())[::-1]
    assert all(earlier.number < later.number for earlier, later in pairwise(kept))
    known = {**state.jobs, **state.remains}
    rows: dict[int, tuple[JobHistory | None, list[Any]]] = {
        id(job.history): (job.history, []) for job in known.values()
    }
    for item in kept:
        assert item.outcome is not None
        history = item.occurrence.job.history
        assert history is known[item.occurrence.job.job_id].history
        rows[id(history)][1].append(item)
    for history, items in rows.values():
        row = () if history is None else history.runs if log is state.history.runs else history.non_runs
        assert list(row) == items
        assert len(row) <= state.options.history_per_job


def _check_ids(state: State) -> None:
    """``by_id`` holds exactly the items whose id was read and that are not forgotten."""
    pending = [job.pending for job in state.jobs.values() if job.pending is not None]
    items: list[Run | NonRun] = [*state.active, *state.history.runs.newest_first()]
    items += state.history.non_runs.newest_first()
    named: dict[Any, Any] = {item.run_id: item for item in pending if item.run_id is not None}
    named |= {item.occurrence.run_id: item for item in items if item.occurrence.run_id is not None}
    assert state.by_id == named


def _check_waits(state: State) -> None:
    """No caller waits for what has ended already."""
    occurrences = {job.pending for job in state.jobs.values()} | {run.occurrence for run in state.active}
    for subject in state.waits.subjects():
        match subject:
            case Job():
                assert subject.pending is not None or subject.runs or subject.state is JobState.PAUSED
            case Occurrence():
                assert subject in occurrences
            case _:
                assert subject in {IDLE, IDLE_DUE, EXECUTED}
