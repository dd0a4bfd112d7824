"""How the tables and a store follow each other.

At the end of a turn the store is told the images of what changed. Jobs that it gives are admitted to the tables. Jobs
that have nothing to do for a while are released, and those that it refuses are lost, because a different scheduler owns
them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final
from uuid import UUID

from turnkeeper_trio._engine.completion import crash
from turnkeeper_trio._engine.images import definition_image, job_image, non_run_image, run_image
from turnkeeper_trio._engine.lifecycle import end_run, remove_run, request_cancel, settle_job, surplus_ended
from turnkeeper_trio._engine.planning import remove_pending, rest_of_delay
from turnkeeper_trio._engine.rows import NO_RUNS, CancelCause, Job, JobHistory, Occurrence, Run
from turnkeeper_trio._engine.slots import add_waiting, promote_waiting
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import Subject
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.kept import read_error, read_value
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.stored import JobChange, JobImage, OccurrenceImage, RunImage, RunState, StoredJob
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import JobNotFound, SchedulerClosed, SubmissionRefused
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import Overlap

LINGER: Final = 2
"""A job is released if its next occurrence is further away than so many horizons, so that it does not come and go."""


# Told -----------------------------------------------------------------------------------------------------


def take_changes(state: State, now: Now, *, hand_back: bool) -> list[JobChange]:
    """Return what a store has to commit: the images that differ from those that it was told.

    Idle jobs are released; with ``hand_back`` all jobs, because nothing is decided any more.
    """
    log = state.change_log
    if hand_back:
        for each in (*state.jobs.values(), *state.remains.values()):
            if each.released:
                _remove(state, each)
            else:
                log.touch(each)
    surplus = _surplus(state, now)
    log.touched |= surplus
    changes: list[JobChange] = []
    told: set[UUID] = set()
    for job in log.touched:
        current = state.jobs.get(job.job_id) or state.remains.get(job.job_id)
        if current is not job:  # It was replaced or deleted. Of several jobs that had one id, all is told once.
            if job.job_id in told or (current is not None and current in log.touched):
                continue
            told.add(job.job_id)
        if current is not None:
            change = _change(state, now, current, release=hand_back or current in surplus)
        elif job.job_id in log.ended and job.job_id not in log.forgotten:
            # It was deleted before, and the record of its last run is forgotten here already. The store keeps it.
            change = _change(state, now, job, release=True, deleted=True)
        else:
            change = _deletion(state, job.job_id)
        if change is not None:
            changes.append(change)
    log.touched, log.ended, log.dropped, log.forgotten = {}, {}, {}, {}
    log.offered = changes
    return changes


def _surplus(state: State, now: Now) -> dict[Job, None]:
    """Return the jobs that have ended and are to be released. Those that were released already are removed."""
    ended = surplus_ended(state, now)
    for job in ended:
        let_go(state, job.job_id)
    return dict.fromkeys([job for job in ended if not job.released])


def _deletion(state: State, job_id: UUID) -> JobChange | None:
    """Return the change that deletes a job; ``None`` if the store never had it."""
    if not state.change_log.forgotten.get(job_id):
        return None
    return JobChange(state.next_change(), job_id, 0, False, None, None, (), (), False, False)


def _change(state: State, now: Now, job: Job, *, release: bool, deleted: bool = False) -> JobChange | None:
    log, job_id = state.change_log, job.job_id
    if job.released:
        assert job_image(state, job) == job.told, f"the job {job_id} is not owned, and has changed"
        return None
    stored = log.forgotten.get(job_id) if log.forgotten else None
    forget, new = stored is not None, job.told is None and not stored
    image = job_image(state, job)
    if deleted:
        image = image._replace(deleted=True)
    runs = _run_images(state, job, everything=forget)
    for item in log.ended.get(job_id, ()):
        runs.append(run_image(state, item) if isinstance(item, Run) else non_run_image(state, item))
    dropped = tuple(log.dropped.get(job_id, ())) if log.dropped else ()
    told = definition_image(job) if job.redefined else None
    release = release or _is_idle(state, now, job)
    if release:
        _release(state, job)
    elif job in state.ended_jobs and job not in state.waits:
        job.released = release = True
    if image == job.told and not (runs or dropped or forget or told or release):
        return None
    job.told, job.redefined = image, False
    return JobChange(state.next_change(), job_id, job.seq, new, told, image, tuple(runs), dropped, forget, release)


def _run_images(state: State, job: Job, *, everything: bool) -> list[RunImage]:
    """Return the images of the active runs of a job that differ from those that the store was told."""
    images: list[RunImage] = []
    for run in job.runs:
        if run.job.lost:
            continue
        image = run_image(state, run)
        if everything or image != run.told:
            images.append(image)
            run.told = image
    return images


def _is_idle(state: State, now: Now, job: Job) -> bool:
    """Return whether a job has nothing to do for so long that it is left to the store until then.

    A job whose function is not registered has nothing to do.
    """
    horizon = state.options.horizon
    if job in state.waits or any(run.executing or run.occurrence in state.waits for run in job.runs):
        return False
    if not job.resolved and job.job_id not in state.remains:
        return job.pending not in state.waits
    if job.runs or horizon is None:
        return False
    if job.job_id in state.remains:
        return True
    if job.state in ENDED_STATES:
        return False  # It is left in the tables by the rules of the history, so that it can be read.
    pending = job.pending
    return pending is None or (pending.due_at - now.wall > LINGER * horizon and pending not in state.waits)


def _release(state: State, job: Job) -> None:
    """Remove a job from the tables, with all that has not ended of it, because the store keeps it."""
    subjects: list[Subject] = [job, *_take_out(state, job, executing=True)]
    for subject in subjects:
        state.fail_waits(subject, SchedulerClosed("the scheduler has shut down; the store keeps the job"))
    _remove(state, job)


def _remove(state: State, job: Job) -> None:
    state.remains.pop(job.job_id, None)
    if state.jobs.pop(job.job_id, None) is not None:
        state.ended_jobs.pop(job, None)
    state.history.forget_job(job)


def let_go(state: State, job_id: UUID) -> None:
    """Remove a job that is in the tables only to be read, because it is about to be claimed."""
    job = state.jobs.get(job_id)
    if job is not None and job.released:
        _remove(state, job)


def _take_out(state: State, job: Job, *, executing: bool) -> list[Occurrence]:
    """Remove what is planned and active of a job, without an outcome, and return it.

    With ``executing`` also the runs that execute: their attempts come back to nobody.
    """
    out: list[Occurrence] = []
    if (pending := job.pending) is not None:
        remove_pending(state, pending)
        out.append(pending)
    for run in tuple(job.runs):
        if run.executing and not executing:
            continue
        remove_run(state, run)
        if (attempt := run.attempt) is not None:
            attempt.revoked, run.attempt = True, None
            if attempt in state.effects.assignments:  # No worker has been told of it, so it does not come back.
                state.effects.assignments.remove(attempt)
                state.unassign(attempt)
        out.append(run.occurrence)
    state.counters.released += len(out)
    for occurrence in out:
        if occurrence.run_id is not None:  # Else the store was not told of it.
            del state.by_id[occurrence.run_id]
    return out


def leave_all(state: State) -> None:
    """Remove all jobs from the tables, because nothing is decided any more, and the store cannot be told of anything.

    Of what was touched and not told, `ChangeLog.unsaved` knows.
    """
    for job in (*state.jobs.values(), *state.remains.values()):
        _release(state, job)


def settle(state: State, now: Now, refusals: Mapping[int, str]) -> None:
    """Take back the changes that the store refused (it committed the others), and answer who submitted jobs."""
    log = state.change_log
    waiting, log.waiting = log.waiting, {}
    for change in log.offered if refusals else ():
        if change.change_id not in refusals:
            continue
        job_id, why = change.job_id, refusals[change.change_id]
        job = state.jobs.get(job_id) or state.remains.get(job_id)
        if job is not None:
            _lose(state, now, job, why)
        for token, job in waiting.pop(job_id, ()):
            state.effects.answers.append((token, _refused(job, why)))
    for job_id, callers in waiting.items():
        state.effects.answers += [(token, RecurringJobId(job_id)) for token, _ in callers]


def _refused(job: Job, why: str) -> SubmissionRefused:
    message = f"the store refused the job {job.request.name!r}: {why}"
    return SubmissionRefused(message, request=job.request, fn=job.target, args=job.args, kwargs=job.kwargs)


def _lose(state: State, now: Now, job: Job, why: str) -> None:
    """Remove a job that a different scheduler owns. Its runs that execute are cut off, and end as lost."""
    subjects: list[Subject] = [job, *_take_out(state, job, executing=False)]
    for subject in subjects:
        message = f"the job {job.request.name!r} is not here any more: {why}"
        state.fail_waits(subject, JobNotFound(message, job_id=job.job_id))
    _remove(state, job)
    job.state, job.reason, job.lost = JobState.CANCELLED, why, True
    if job.runs:
        state.remains[job.job_id] = job
        for run in job.runs:
            run.job.lost = True  # It may be a job that had the id before.
            attempt = run.attempt
            assert attempt is not None  # It executes: all others were taken out.
            if attempt.scope is not None:
                request_cancel(state, now, run, CancelCause.LOST, why)
            elif attempt.cause is None:  # It has ended while the store committed, and comes back in the next turn.
                attempt.cause, run.reason = CancelCause.LOST, why


# Admitted -------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job of a store, with its definition read."""

    stored: StoredJob
    request: RecurringJobRequest
    schedule: Schedule
    """The schedule in force."""
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    resolved: bool
    """Whether its function is registered."""


def admit(state: State, now: Now, loaded: LoadedJob) -> None:
    """Put a job of a store in the tables, as it was when it was released, or when its process died."""
    stored, image = loaded.stored, loaded.stored.image
    before = state.remains.get(stored.job_id)
    let_go(state, stored.job_id)
    assert stored.job_id not in state.jobs
    assert before is None or before.lost
    job = unadmitted(loaded)
    job.told, job.redefined = image, False
    job.held = None if image.held is None else _occurrence(job, image.held)
    job.history = _history(job, image, stored.last)
    if before is not None:  # It was lost and has come back, while a run of it still ends.
        del state.remains[job.job_id]
        state.history.forget_job(before)
        before.history = job.history  # Shared, because the runs that execute will be recorded there.
        job.runs = dict(before.runs) or NO_RUNS
        for run in job.runs:
            run.holder = job
    (state.remains if image.deleted else state.jobs)[job.job_id] = job
    state.top_priority = max(state.top_priority, job.request.priority)
    if image.pending is not None:
        _plan_again(state, now, job, image.pending)
    crashed = _admit_runs(state, now, job, stored.runs)
    for run in [run for run in job.runs if run.told is not None and run.told.state is RunState.COMPLETED]:
        end_run(state, now, run, Outcome.SUCCEEDED, value=run.value)
    state.change_log.touch(job)  # So that it is released again, if it was only asked about.
    for run, retired in reversed(crashed):  # Each that begins again precedes those that wait.
        crash(state, now, run, retired=retired or image.deleted)
    promote_waiting(state, job)
    settle_job(state, now, job)


def resolve(state: State, targets: Collection[str]) -> None:
    """Have the runs of jobs begin whose function was not registered before, and is among ``targets``."""
    for job in tuple(state.jobs.values()):
        if not job.resolved and job.target in targets:
            job.resolved = True
            promote_waiting(state, job)


def unadmitted(loaded: LoadedJob) -> Job:
    """Return a job as it is in the store; nothing of it is planned."""
    stored, image, definition = loaded.stored, loaded.stored.image, loaded.stored.definition
    job = Job(stored.job_id, loaded.request, loaded.target, loaded.args, loaded.kwargs, seq=stored.seq)
    job.set_schedule(loaded.schedule)
    job.definition, job.bound = definition.text, definition.bound
    job.job_set, job.resolved = definition.job_set, loaded.resolved
    job.state, job.reason, job.version = image.state, image.reason, image.version
    job.latest, job.ran, job.entries, job.had_occurrence = image.latest, image.ran, image.entries, image.had_occurrence
    return job


def _occurrence(job: Job, image: OccurrenceImage) -> Occurrence:
    return Occurrence(job, image.scheduled_at, image.due_at, image.origin, image.entry, run_id=image.run_id)


def _plan_again(state: State, now: Now, job: Job, image: OccurrenceImage) -> None:
    """Plan the pending occurrence as it was: no chance is drawn, and a fixed delay waits for the rest."""
    occurrence = _occurrence(job, image)
    if job.delayed and image.origin is Origin.SCHEDULE:
        state.delays.push((now.loop + rest_of_delay(job, now, image.due_at), job.seq, image.entry, occurrence))
    else:
        state.queue.push((image.due_at, job.seq, image.entry, occurrence))
    job.pending = occurrence
    state.counters.admitted += 1
    state.longest_jitter = max(state.longest_jitter, image.due_at - image.scheduled_at)
    assert image.run_id is not None  # Only an occurrence that is held has none.
    state.by_id[image.run_id] = occurrence


def _history(job: Job, image: JobImage, last: Iterable[RunImage]) -> JobHistory:
    rows = {row.entry: _ended_run(job, row) for row in last}
    history = JobHistory()
    history.last_run = None if image.last_run is None else rows.get(image.last_run)
    history.last_success = None if image.last_success is None else rows.get(image.last_success)
    history.last_failure = None if image.last_failure is None else rows.get(image.last_failure)
    history.consecutive_failures = image.consecutive_failures
    history.skipped, history.skipped_before = image.skipped, image.skipped_before
    return history


def _ended_run(job: Job, row: RunImage) -> Run:
    run = _run(job, row, number=0, since=0)
    assert row.finished_at is not None
    run.finished_at, run.outcome, run.reason, run.value = (
        row.finished_at,
        row.outcome,
        row.reason,
        read_value(row.value),
    )
    return run


def _run(job: Job, row: RunImage, *, number: int, since: int) -> Run:
    occurrence = Occurrence(job, row.scheduled_at, row.due_at, row.origin, row.entry, run_id=row.run_id)
    run = Run(occurrence, number, since)
    run.begun, run.failures, run.crashes = row.attempts, row.failures, row.crashes
    run.overlap = None if row.overlap is None else Overlap(row.overlap)
    run.started_at, run.executed, run.wake_at = row.started_at, row.executed, row.wake_at
    run.error = None if row.error is None else read_error(row.error)
    return run


def _admit_runs(state: State, now: Now, job: Job, rows: Iterable[RunImage]) -> list[tuple[Run, bool]]:
    """Put the runs of a job that have not ended in the tables; return those that executed, and whether each is retired.

    They are in the order in which they became due. None becomes ready before all of them are there.
    """
    crashed: list[tuple[Run, bool]] = []
    for row in sorted(rows, key=lambda row: row.number):
        run = _run(job, row, number=state.next_run(), since=now.loop)
        run.told = row
        if row.started_at is not None:
            run.first_loop = now.loop - max(0, now.wall - row.started_at)  # the clock may have been set back
        if job.runs is NO_RUNS:
            job.runs = {}
        job.runs[run] = None
        state.active[run] = None
        state.by_id[row.run_id] = run
        state.counters.admitted += 1
        if row.state is RunState.COMPLETED:
            run.value = read_value(row.value)
        elif row.state is RunState.STARTED:
            crashed.append((run, row.retired))
        elif row.state is RunState.DUE:
            add_waiting(job, run)
        else:
            assert row.wake_at is not None
            run.waiting_retry, run.snoozed = True, row.state is RunState.SNOOZED
            run.next_loop = now.loop + max(0, row.wake_at - now.wall)
            state.retries.push((run.next_loop, job.seq, run.number, run))
    return crashed
