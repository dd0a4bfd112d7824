"""The history: runs and non-runs that have ended, within bounds of number and age, and the records made of them.

Runs and non-runs are kept in two logs, so that an occurrence that is skipped each second never displaces the record of
a run. There is no timer: age is checked when something is added or read.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, final
from uuid import UUID

from turnkeeper_trio._engine.rows import NO_NON_RUNS, Job, JobHistory, NonRun, Run
from turnkeeper_trio._model.record import unread
from turnkeeper_trio._model.run import Origin, Outcome, RunRecord
from turnkeeper_trio._model.times import seconds

Kept = TypeVar("Kept", Run, NonRun)


@final
class BoundedLog(Generic[Kept]):
    """Items that have ended, the oldest first: at most ``limit`` in all, and ``per_job`` of each job.

    ``forget`` is called with each item that is removed, or not kept.
    """

    def __init__(
        self, limit: int, per_job: int, forget: Callable[[Kept], None], of_job: Callable[[Kept], list[Kept]]
    ) -> None:
        """Begin with none. ``of_job`` returns the items that are kept of the job of an item, the oldest first."""
        self._limit = limit
        self._per_job = per_job
        self._of_job: Callable[[Kept], list[Kept]] = of_job
        self._forget: Callable[[Kept], None] = forget
        self._kept: OrderedDict[Kept, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def newest_first(self) -> Iterator[Kept]:
        """Iterate from the newest to the oldest."""
        return reversed(self._kept)

    def add(self, item: Kept, of_job: list[Kept]) -> None:
        """Keep an item, the newest of its job, and remove the oldest of its job or of all, if these are too many."""
        if not self._limit or not self._per_job:
            self._forget(item)
            return
        self._kept[item] = None
        of_job.append(item)
        if len(of_job) > self._per_job:
            self.remove(of_job[0], of_job)
        elif len(self._kept) > self._limit:
            oldest = next(iter(self._kept))
            self.remove(oldest, self._of_job(oldest))

    def remove_before(self, horizon: int) -> None:
        """Remove the items that ended before the wall time ``horizon``."""
        while self._kept and (oldest := next(iter(self._kept))).finished_at < horizon:
            self.remove(oldest, self._of_job(oldest))

    def remove(self, item: Kept, of_job: list[Kept]) -> None:
        """Remove an item, which must be the oldest of its job."""
        assert of_job[0] is item
        del of_job[0]
        del self._kept[item]
        self._forget(item)

    def make_newest(self, item: Kept) -> None:
        """Move an item to the end, so that it counts as the newest."""
        self._kept.move_to_end(item)

    def __contains__(self, item: Kept) -> bool:
        return item in self._kept


@final
class History:
    """What has ended: a log of runs and a log of non-runs.

    It keeps two tables of the state in step: ``by_id``, the items whose ids were read, and ``remains``, the jobs that
    were forgotten but of which a run or a record is left.
    """

    def __init__(
        self, *, limit: int, per_job: int, ttl: int | None, by_id: dict[UUID, object], remains: dict[UUID, Job]
    ) -> None:
        self._by_id = by_id
        self._remains = remains
        self._ttl = ttl
        self._numbers = 0
        self.runs: BoundedLog[Run] = BoundedLog(limit, per_job, self._forget, lambda run: history_of(run.job).runs)
        self.non_runs: BoundedLog[NonRun] = BoundedLog(
            limit, per_job, self._forget, lambda non: history_of(non.occurrence.job).non_runs
        )

    def next_number(self) -> int:
        """Return the number of the next record."""
        self._numbers += 1
        return self._numbers

    def keeps(self, item: Run | NonRun) -> bool:
        """Return whether an item is kept."""
        return item in self.runs if isinstance(item, Run) else item in self.non_runs

    def add_run(self, run: Run) -> None:
        """Keep a run that has ended."""
        self._numbers += 1
        run.number = self._numbers
        history = run.job.history or history_of(run.job)
        history.last_run = run
        if history.skipped == history.skipped_before:
            history.skipped = 0
        history.skipped_before = history.skipped
        if run.outcome is Outcome.SUCCEEDED:
            history.last_success = run
            history.consecutive_failures = 0
        elif run.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            history.last_failure = run
            history.consecutive_failures += 1
        if run.occurrence.run_id is not None:
            self._by_id[run.occurrence.run_id] = run
        self.runs.add(run, history.runs)
        if self._ttl is not None:
            self.trim(run.finished_at)

    def add_non_run(self, item: NonRun) -> NonRun:
        """Keep an occurrence that did not run, and return the item that holds it.

        That is the item before it, if both have the same outcome and reason and no run of the job ended between them.
        An occurrence that was triggered by hand is kept apart, because the caller has its id.
        """
        history = history_of(item.occurrence.job)
        last = history.non_runs[-1] if history.non_runs else None
        newest_run = history.runs[-1].number if history.runs else 0
        if last is not None and last.number > newest_run and _are_alike(last, item):
            self._forget(last)
            last.occurrence, last.scheduled_at = item.occurrence, item.scheduled_at
            last.finished_at = item.finished_at
            last.count += item.count
            last.number = item.number
            item = last
            self.non_runs.make_newest(item)
        if item.occurrence.run_id is not None:
            self._by_id[item.occurrence.run_id] = item
        if item is not last:
            if history.non_runs is NO_NON_RUNS:
                history.non_runs = []
            self.non_runs.add(item, history.non_runs)
        self.trim(item.finished_at)
        return item

    def trim(self, now: int) -> None:
        """Remove what is too old; ``now`` is the wall time."""
        if self._ttl is not None:
            self.runs.remove_before(now - self._ttl)
            self.non_runs.remove_before(now - self._ttl)

    def forget_job(self, job: Job) -> None:
        """Remove all that is kept of one job."""
        if job.history is not None:
            while job.history.runs:
                self.runs.remove(job.history.runs[0], job.history.runs)
            while job.history.non_runs:
                self.non_runs.remove(job.history.non_runs[0], job.history.non_runs)
            job.history.forget_runs()
            job.history.consecutive_failures = 0

    def newest_first(self, job: Job | None) -> Iterator[Run | NonRun]:
        """Iterate over the runs and non-runs of a job, or of all jobs, the newest first."""
        runs: Iterator[Run | NonRun]
        non_runs: Iterator[Run | NonRun]
        if job is None:
            runs, non_runs = self.runs.newest_first(), self.non_runs.newest_first()
        elif job.history is None:
            return
        else:
            runs, non_runs = reversed(job.history.runs), reversed(job.history.non_runs)
        run, non = next(runs, None), next(non_runs, None)
        while run is not None or non is not None:
            if non is None or (run is not None and run.number > non.number):
                assert run is not None
                yield run
                run = next(runs, None)
            else:
                yield non
                non = next(non_runs, None)

    def _forget(self, item: Run | NonRun) -> None:
        if item.occurrence.run_id is not None:
            self._by_id.pop(item.occurrence.run_id, None)
        forgotten = self._remains.get(item.occurrence.job.job_id) if self._remains else None
        if forgotten is not None and not has_remains(forgotten):
            del self._remains[forgotten.job_id]
            history_of(forgotten).forget_runs()


def _are_alike(last: NonRun, item: NonRun) -> bool:
    by_hand = Origin.TRIGGER in (last.occurrence.origin, item.occurrence.origin)
    return not by_hand and (last.outcome, last.reason) == (item.outcome, item.reason)


def has_remains(job: Job) -> bool:
    """Return whether an active run or a record of a job is left."""
    return bool(job.runs or (job.history is not None and (job.history.runs or job.history.non_runs)))


def history_of(job: Job) -> JobHistory:
    """Return the history of a job; it is made if the job has none."""
    if job.history is None:
        job.history = JobHistory()
    return job.history


def record_of(item: Run | NonRun, run_id: UUID) -> RunRecord:
    """Return the record of a run that has ended, or of an occurrence that did not run."""
    occurrence = item.occurrence
    job = occurrence.job
    assert item.outcome is not None
    # One literal for each kind, because that takes half as long as to add to what they have in common.
    if isinstance(item, Run):
        started_at = item.started_at
        return unread(
            RunRecord,
            {
                "run_id": run_id,
                "job_id": job.job_id,
                "name": job.request.name,
                "origin": occurrence.origin,
                "scheduled_at": occurrence.scheduled_at,
                "due_at": occurrence.due_at,
                "started_at": started_at,
                "finished_at": item.finished_at,
                "attempts": item.begun,
                "outcome": item.outcome,
                "value": item.value,
                "error": item.error,
                "reason": item.reason,
                "lateness": None if started_at is None else seconds(started_at - occurrence.due_at),
                "duration": seconds(item.executed),
                "count": 1,
            },
        )
    return unread(
        RunRecord,
        {
            "run_id": run_id,
            "job_id": job.job_id,
            "name": job.request.name,
            "origin": occurrence.origin,
            "scheduled_at": item.scheduled_at,
            "due_at": occurrence.due_at,
            "started_at": None,
            "finished_at": item.finished_at,
            "attempts": 0,
            "outcome": item.outcome,
            "value": None,
            "error": None,
            "reason": item.reason,
            "lateness": None,
            "duration": 0.0,
            "count": item.count,
        },
    )
