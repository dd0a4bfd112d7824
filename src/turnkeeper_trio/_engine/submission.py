"""How submissions become jobs, or change the job that has their key; and how a job set is applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never, final
from uuid import UUID

from turnkeeper_trio._engine.anchoring import (
    bind_schedule,
    halt_or_settle,
    initial_us,
    insert_job,
    plan_first,
)
from turnkeeper_trio._engine.control import delete_job
from turnkeeper_trio._engine.rows import Job
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.updates import Call, change_job, has_same_schedule
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.errors import JobExists, SchedulerClosed
from turnkeeper_trio.events import JobAdded
from turnkeeper_trio.jobs import JobSetChanges, RecurringJobRequest
from turnkeeper_trio.policies import OnConflict


@final
@dataclass(slots=True)
class Submission:
    """A job as it was submitted."""

    job_id: UUID
    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    on_conflict: OnConflict
    token: Any = None
    """The caller that waits until the store has committed it, if there is one."""
    staged: Now | None = None
    """When it was put in staging: its grid begins then. ``None``: it begins when the submission is taken."""
    definition: str | None = None
    """Its definition as a store keeps it; ``None`` without a store."""


def add_job(
    state: State, now: Now, submission: Submission, before: Job | None = None, latest: int | None = None
) -> Job:
    """Accept a new job, and plan its first occurrence from when it was staged.

    ``before`` is a job with the same id that has ended. ``latest`` is the last instant that was handled by a job with
    the same id: it does not come again.
    """
    request = submission.request
    job = Job(submission.job_id, request, submission.target, submission.args, submission.kwargs, seq=state.next_job())
    job.definition = submission.definition
    insert_job(state, now, job, before)
    state.counters.submitted += 1
    job.latest = latest
    since = submission.staged or now
    first, fault = bind_schedule(state, now, job, initial_us(request.initial_run_time, since), since)
    state.change_log.touch(job)
    if submission.token is not None:
        state.change_log.wait(job, submission.token)
    plan_first(state, job, first, fault, since)
    if state.listening[JobAdded]:
        at = None if job.pending is None else job.pending.due_at
        state.emit(now, JobAdded, job=job, name=request.name, next_run_time=at)
    halt_or_settle(state, now, job, fault)
    return job


NOT_IN_SET = "it is not in the job set any more"


def accept(state: State, now: Now, submission: Submission) -> Job:
    """Accept a submission: add a new job, or change the job that has its key, as its ``on_conflict`` says."""
    job = state.jobs.get(submission.job_id)
    if job is None or _frees_key(job, submission.on_conflict):
        return add_job(state, now, submission, job, None if job is None else job.latest)
    match submission.on_conflict:
        case OnConflict.UPDATE if job.state is not JobState.CANCELLED:
            change_job(
                state,
                now,
                job,
                submission.request,
                _call_from(submission),
                definition=submission.definition,
                staged=submission.staged,
            )
        case OnConflict.REPLACE:
            delete_job(state, now, submission.job_id)
            return add_job(state, now, submission, latest=job.latest)
        case OnConflict.RAISE if submission.token is not None:
            state.effects.answers.append((submission.token, _key_taken(submission)))
            return job
        case OnConflict.UPDATE | OnConflict.KEEP | OnConflict.RAISE:
            # A cancelled job stays cancelled. Without a store `JobExists` was raised before staging, where the check
            # and the staging are one step.
            pass
        case _:
            assert_never(submission.on_conflict)
    if submission.token is not None:
        state.change_log.wait(job, submission.token)
    return job


def accept_all(state: State, now: Now, submissions: Sequence[Submission]) -> list[RecurringJobId]:
    """Accept submissions, all of them or none: in one step, so that nothing comes between them."""
    _refuse_while_closing(state)
    seen: set[UUID] = set()
    for submission in submissions:
        if submission.on_conflict is OnConflict.RAISE:
            job = state.jobs.get(submission.job_id)
            if submission.job_id in seen or (job is not None and job.state not in ENDED_STATES):
                raise _key_taken(submission)
            seen.add(submission.job_id)
    for submission in submissions:
        accept(state, now, submission)
    return [RecurringJobId(submission.job_id) for submission in submissions]


def _key_taken(submission: Submission) -> JobExists:
    message = f"there is a job with the key {guard.shown(submission.request.key)}"
    return JobExists(message, job_id=submission.job_id)


def _refuse_while_closing(state: State) -> None:
    if state.closing is not None:
        raise SchedulerClosed("the scheduler is shutting down: it takes nothing new")


def _frees_key(job: Job, on_conflict: OnConflict) -> bool:
    """Return whether a new job takes over the key and the history of this one, which has ended, and so runs again."""
    if job.state is JobState.CANCELLED:
        return on_conflict is OnConflict.RAISE
    return job.state is JobState.FINISHED and on_conflict in {OnConflict.UPDATE, OnConflict.RAISE}


def _call_from(submission: Submission) -> Call:
    return Call(target=submission.target, args=submission.args, kwargs=submission.kwargs or {})


def apply_set(
    state: State, now: Now, submissions: Sequence[Submission], name: str = "", version: int = 0
) -> JobSetChanges:
    """Add and change jobs as a set says, and delete those that came with the set of that name and are not in it.

    If a newer version of the set has been applied, nothing changes.
    """
    _refuse_while_closing(state)
    before = [job for job in state.jobs.values() if job.job_set == name]
    wanted = {submission.job_id for submission in submissions}
    in_force = state.set_versions.get(name, version)
    if version < in_force:
        jobs = tuple(RecurringJobId(job.job_id) for job in before if job.job_id in wanted)
        return JobSetChanges((), (), jobs, (), newer_version=in_force)
    added: list[RecurringJobId] = []
    updated: list[RecurringJobId] = []
    unchanged: list[RecurringJobId] = []
    removed: list[RecurringJobId] = []
    for submission in submissions:
        job = state.jobs.get(submission.job_id)
        job_id = RecurringJobId(submission.job_id)
        if job is None or (job.state is JobState.FINISHED and not has_same_schedule(job, submission.request)):
            add_job(state, now, submission, job)
            added.append(job_id)
        elif job.state in ENDED_STATES:
            unchanged.append(job_id)  # It has run or was cancelled, and applying a set does not run it again.
        elif change_job(state, now, job, submission.request, _call_from(submission), definition=submission.definition):
            updated.append(job_id)
        else:
            unchanged.append(job_id)
    for submission in submissions:
        _note_set(state, state.jobs.get(submission.job_id), name)
    for job in before:
        if job.job_id not in wanted and job.state not in ENDED_STATES:
            delete_job(state, now, job.job_id, reason=NOT_IN_SET)
            removed.append(RecurringJobId(job.job_id))
    state.set_versions[name] = version
    state.change_log.set(SET_VERSION + name, str(version))
    return JobSetChanges(tuple(added), tuple(updated), tuple(unchanged), tuple(removed))


SET_VERSION: Final = "job_set:"
"""With its name behind it: the setting under which a store keeps the version of a job set."""


def _note_set(state: State, job: Job | None, name: str) -> None:
    """Note that a job is of a set now; of several sets that have it, of the one that was applied last."""
    if job is not None and job.job_set != name:
        job.job_set, job.redefined = name, True
        state.change_log.touch(job)
