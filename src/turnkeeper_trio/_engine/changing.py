"""Changing jobs: updates, submissions under a key that is taken, and job sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never, final
from uuid import UUID

from turnkeeper_trio._engine.alarms import watch_again
from turnkeeper_trio._engine.control import delete_job, find_job, refuse_if_over
from turnkeeper_trio._engine.intake import Submission, accept, anchor_and_plan
from turnkeeper_trio._engine.lifecycle import go_on, plan_after, settle_job, withdraw_pending
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import may_plan
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job
from turnkeeper_trio._engine.turns import call_next, recall
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.event import JobUpdated
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.instants import utc_pendulum
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio.errors import ConfigurationError, SchedulerClosed, VersionConflict
from turnkeeper_trio.jobs import JobSetChanges, RecurringJobRequest
from turnkeeper_trio.policies import OnConflict

UPDATED = "its job was updated"
NOT_IN_SET = "it is not in the job set any more"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a job calls: ``None`` stays as it is."""

    target: str | None = None
    args: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] | None = None


def take(state: State, submission: Submission, now: Now) -> Job:
    """Take what was submitted: a new job, or a change of the one that has the key."""
    job = state.jobs.get(submission.job_id)
    if job is None or _makes_room(job, submission.on_conflict):
        return accept(state, submission, now, job, None if job is None else job.latest)
    match submission.on_conflict:
        case OnConflict.UPDATE if job.state is not JobState.CANCELLED:
            _change(state, job, submission.request, _call_of(submission), now, staged=submission.staged)
        case OnConflict.REPLACE:
            delete_job(state, now, submission.job_id)
            return accept(state, submission, now, latest=job.latest)
        case OnConflict.UPDATE | OnConflict.KEEP | OnConflict.RAISE:
            pass  # Cancelled stays cancelled; and who is to be told was told: it looked, and staged, in one step.
        case _:
            assert_never(submission.on_conflict)
    if submission.token is not None:
        state.effects.answers.append((submission.token, RecurringJobId(job.job_id)))
    return job


def _makes_room(job: Job, on_conflict: OnConflict) -> bool:
    """Return whether a job that has ended leaves its key, and its history, to a new one: added again, it runs again."""
    if job.state is JobState.CANCELLED:
        return on_conflict is OnConflict.RAISE
    return job.state is JobState.FINISHED and on_conflict in {OnConflict.UPDATE, OnConflict.RAISE}


def _call_of(submission: Submission) -> Call:
    return Call(target=submission.target, args=submission.args, kwargs=submission.kwargs or {})


def update_job(
    state: State, now: Now, job_id: UUID | str, *, if_version: int | None, call: Call, changes: Mapping[str, Any]
) -> int:
    """Change fields of the request, or the function; return the version."""
    job = find_job(state, job_id)
    refuse_if_over(state, job)
    if if_version is not None and if_version != job.version:
        message = f"{job.request.name!r} is at version {job.version}, not {if_version}: somebody else changed it"
        raise VersionConflict(message, job_id=job.job_id)
    _change(state, job, _replaced(job.request, changes), call, now)
    return job.version


def _replaced(request: RecurringJobRequest, changes: Mapping[str, Any]) -> RecurringJobRequest:
    """Return a request with changes. Their values are a user's: to look at them may raise anything."""
    replaced, fault = guard.call(request.replace, **changes)
    if type(fault) is ConfigurationError:
        raise fault
    if replaced is None:
        assert fault is not None
        raise ConfigurationError(f"a value cannot be used: {guard.described(fault)}") from fault
    return replaced


def _change(
    state: State, job: Job, request: RecurringJobRequest, call: Call, now: Now, *, staged: Now | None = None
) -> bool:
    """Give a job another request, another call, or both; return whether anything is another."""
    before = job.request
    if guard.equal(request, before) and _is_same_call(job, call):
        return False
    same_schedule = _has_same_schedule(job, request)
    job.request = request
    job.target = job.target if call.target is None else call.target
    job.args = job.args if call.args is None else call.args
    job.kwargs = job.kwargs if call.kwargs is None else dict(call.kwargs)
    job.version += 1
    state.top_priority = max(state.top_priority, request.priority)
    if same_schedule:
        _keep_schedule(state, job, now)
    else:
        _reschedule(state, job, before, now, staged or now)
    recall(state, job)
    call_next(state, job)
    watch_again(state, job, now)
    state.ledger.note(ChangeKind.JOB_CHANGED, job, {"state": job.state, "version": job.version})
    if state.listening:
        at = None if job.pending is None else utc_pendulum(job.pending.due_at)
        state.emit(JobUpdated, now, job=job, name=request.name, version=job.version, next_run_time=at)
    settle_job(state, job, now)
    return True


def _has_same_schedule(job: Job, request: RecurringJobRequest) -> bool:
    before = job.request
    return guard.equal((request.schedule, request.initial_run_time), (before.schedule, before.initial_run_time))


def _is_same_call(job: Job, call: Call) -> bool:
    return (
        (call.target is None or guard.equal(call.target, job.target))
        and (call.args is None or guard.equal(call.args, job.args))
        and (call.kwargs is None or guard.equal(call.kwargs, job.kwargs or {}))
    )


def _reschedule(state: State, job: Job, before: RecurringJobRequest, now: Now, since: Now) -> None:
    """Begin a new grid, at an instant. A paused job stays paused, and a halted one has the fault mended."""
    to_come = job.pending or job.held
    initial_to_come = to_come is not None and to_come.origin is Origin.INITIAL
    withdraw_pending(state, job, Outcome.SUPERSEDED, now, UPDATED)
    paused = job.state is JobState.PAUSED
    if job.state is JobState.HALTED:
        go_on(job)
    # An initial run that was is not run again, but for another that is asked for.
    initial = initial_to_come or not guard.equal(job.request.initial_run_time, before.initial_run_time)
    anchor_and_plan(state, job, now, initial=initial, since=since)
    if paused:
        job.held = job.pending
        withdraw_pending(state, job, Outcome.CANCELLED, now, "paused")


def _keep_schedule(state: State, job: Job, now: Now) -> None:
    """Grid and pending occurrence stay, as far as the new bounds allow; wider bounds may allow a further one."""
    if job.pending is not None and not may_plan(job, job.pending.scheduled_at):
        withdraw_pending(state, job, Outcome.SUPERSEDED, now, UPDATED)
    elif job.pending is None and job.state is JobState.ACTIVE and not (job.delayed and job.runs):
        plan_after(state, job, now.wall, now)


def apply_set(state: State, now: Now, submissions: Sequence[Submission]) -> JobSetChanges:
    """Have the jobs of a set, and of the sets before it, be what the set says."""
    if state.closing is not None:
        raise SchedulerClosed("the scheduler is shutting down: it takes nothing new")
    added: list[RecurringJobId] = []
    updated: list[RecurringJobId] = []
    unchanged: list[RecurringJobId] = []
    removed: list[RecurringJobId] = []
    for submission in submissions:
        job = state.jobs.get(submission.job_id)
        job_id = RecurringJobId(submission.job_id)
        if job is None or (job.state is JobState.FINISHED and not _has_same_schedule(job, submission.request)):
            accept(state, submission, now, job)
            added.append(job_id)
        elif job.state in ENDED_STATES:
            unchanged.append(job_id)  # It has run, or somebody has cancelled it: the set does not say to run it again.
        elif _change(state, job, submission.request, _call_of(submission), now):
            updated.append(job_id)
        else:
            unchanged.append(job_id)
    wanted = {submission.job_id: None for submission in submissions}
    for gone in [job_id for job_id in state.applied if job_id not in wanted]:
        job = state.jobs.get(gone)
        if job is not None and job.state not in ENDED_STATES:
            delete_job(state, now, gone, reason=NOT_IN_SET)
            removed.append(RecurringJobId(gone))
    state.applied = wanted
    return JobSetChanges(tuple(added), tuple(updated), tuple(unchanged), tuple(removed))
