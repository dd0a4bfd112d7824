"""How a job is changed: a new request, a new call, or both. Its runs and its pending occurrence follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine.anchoring import anchor_and_plan
from turnkeeper_trio._engine.control import find_job, refuse_if_ended
from turnkeeper_trio._engine.lifecycle import cancel_pending, plan_after, reactivate, settle_job
from turnkeeper_trio._engine.planning import may_plan
from turnkeeper_trio._engine.rows import Job
from turnkeeper_trio._engine.slots import promote_waiting, requeue_unstarted
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.watchdog import reset_checks
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.errors import ConfigurationError, VersionConflict
from turnkeeper_trio.events import JobUpdated
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.jobs._stored_definition import DefinitionChanges, changed_definition

UPDATED = "its job was updated"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a job calls. In a change, ``None`` leaves a part as it is."""

    target: str | None = None
    args: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] | None = None
    definition: DefinitionChanges | None = None
    """What changes of the text of the definition, where there is a store."""


def update_job(
    state: State, now: Now, job_id: UUID | str, *, if_version: int | None, call: Call, changes: Mapping[str, Any]
) -> int:
    """Change fields of the request of a job, or what it calls; return its version.

    Raises:
        JobNotFound: there is no such job.
        SchedulerClosed: the scheduler shuts down.
        JobEnded: the job is cancelled or finished.
        VersionConflict: ``if_version`` is not the version of the job.
        ConfigurationError: a value is wrong.
    """
    job = find_job(state, job_id)
    refuse_if_ended(state, job)
    if if_version is not None and if_version != job.version:
        message = f"{job.request.name!r} is at version {job.version}, not {if_version}: somebody else changed it"
        raise VersionConflict(message, job_id=job.job_id)
    request = _changed_request(job.request, changes)
    text = job.definition
    if text is not None and call.definition is not None:
        text = changed_definition(text, call.definition)
    change_job(state, now, job, request, call, definition=text)
    return job.version


def _changed_request(request: RecurringJobRequest, changes: Mapping[str, Any]) -> RecurringJobRequest:
    """Return a request with changes. The values are a user's objects, so that checking them may raise anything."""
    replaced, fault = guard.call(request.replace, **changes)
    if type(fault) is ConfigurationError:
        raise fault
    if replaced is None:
        assert fault is not None
        error = ConfigurationError(f"a value cannot be used: {guard.described(fault)}")
        raise guard.caused(error, fault) from fault
    return replaced


def change_job(
    state: State,
    now: Now,
    job: Job,
    request: RecurringJobRequest,
    call: Call,
    *,
    definition: str | None,
    staged: Now | None = None,
) -> bool:
    """Give a job a new request, a new call, or both; return whether anything differs.

    A new schedule begins its grid at ``staged``, if given, and otherwise now.
    """
    before = job.request
    if guard.equal(request, before) and _is_same_call(job, call):
        return False
    same_schedule = has_same_schedule(job, request)
    state.change_log.touch(job)
    job.definition, job.redefined = definition, True
    job.request = request
    if call.target is not None:
        job.target, job.resolved = call.target, True
    job.args = job.args if call.args is None else call.args
    job.kwargs = job.kwargs if call.kwargs is None else dict(call.kwargs)
    job.version += 1
    state.top_priority = max(state.top_priority, request.priority)
    if same_schedule:
        _keep_schedule(state, now, job)
    else:
        _reschedule(state, now, job, before, staged or now)
    requeue_unstarted(state, job)
    promote_waiting(state, job)
    reset_checks(state, now, job)
    if state.listening[JobUpdated]:
        at = None if job.pending is None else job.pending.due_at
        state.emit(now, JobUpdated, job=job, name=request.name, version=job.version, next_run_time=at)
    settle_job(state, now, job)
    return True


def has_same_schedule(job: Job, request: RecurringJobRequest) -> bool:
    before = job.request
    return guard.equal((request.schedule, request.initial_run_time), (before.schedule, before.initial_run_time))


def _is_same_call(job: Job, call: Call) -> bool:
    return (
        (call.target is None or guard.equal(call.target, job.target))
        and (call.args is None or guard.equal(call.args, job.args))
        and (call.kwargs is None or guard.equal(call.kwargs, job.kwargs or {}))
    )


def _reschedule(state: State, now: Now, job: Job, before: RecurringJobRequest, since: Now) -> None:
    """Begin a new grid at ``since``. A paused job stays paused. A halted job is active again."""
    to_come = job.pending or job.held
    initial_to_come = to_come is not None and to_come.origin is Origin.INITIAL
    cancel_pending(state, now, job, Outcome.SUPERSEDED, UPDATED)
    paused = job.state is JobState.PAUSED
    if job.state is JobState.HALTED:
        reactivate(job)
    # The initial run comes if it has not run yet, or if a different one is asked for.
    initial = initial_to_come or not guard.equal(job.request.initial_run_time, before.initial_run_time)
    anchor_and_plan(state, now, job, initial=initial, since=since)
    if paused:
        job.held = job.pending
        cancel_pending(state, now, job, Outcome.CANCELLED, "paused")


def _keep_schedule(state: State, now: Now, job: Job) -> None:
    """Keep the grid, and the pending occurrence if the new bounds allow it; if there is none, they may allow one."""
    if job.pending is not None and not may_plan(job, job.pending.scheduled_at):
        cancel_pending(state, now, job, Outcome.SUPERSEDED, UPDATED)
    elif job.pending is None and job.state is JobState.ACTIVE and not (job.delayed and job.runs):
        plan_after(state, now, job, now.wall)
