"""What the harness reads off an open scheduler that its handle does not tell: the only place that looks inside."""

from collections.abc import Iterator
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine.invariants import check
from turnkeeper_trio._engine.rows import Job, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.times import Now
from turnkeeper_trio._runtime.clock import read
from turnkeeper_trio._runtime.scheduler import Scheduler


@final
class Opened:
    """One scheduler. All answers are as of its last turn: what is staged is not in them, so rest first."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Look at a scheduler."""
        self.scheduler = scheduler

    @property
    def _parts(self) -> Any:
        return vars(self.scheduler)["_parts"]

    @property
    def _state(self) -> State:
        state: State = self._parts.engine.state
        return state

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left."""
        ended: bool = self._parts.coordinator.ended.is_set()
        return ended

    def wake(self) -> None:
        """Have it look at the clock."""
        self._parts.coordinator.wake()

    def planned(self) -> list[tuple[int, str]]:
        """Return when something of a job is to happen next, and the name of the job, in order."""
        if self.scheduler.is_closed:
            return []
        state = self._state
        now: Now = read(self._parts.clock)
        planned = [(job.pending.due_at, job.request.name) for job in state.jobs.values() if job.pending is not None]
        retry = state.retries.peek()
        if retry is not None:
            planned.append((now.wall + retry[0] - now.loop, f"{retry[-1].job.request.name} (retry)"))
        return sorted(planned)

    def records(self) -> list[RunRecord]:
        """Return the records of all that has ended, the oldest first.

        Raises:
            AssertionError: some have been forgotten.
        """
        state = self._state
        records = [state.record(item) for item in state.history.newest_first(None)][::-1]
        forgotten = sum(state.counters.outcomes.values()) - sum(record.count for record in records)
        if forgotten:
            raise AssertionError(
                f"{self.scheduler!r} has forgotten {forgotten} of its records, so its log is not whole: open it with a "
                f"larger history_limit and history_per_job, or do not delete jobs before the log is read"
            )
        return records

    def names(self) -> list[str]:
        """Return the names of the jobs, in the order of submission."""
        return list(dict.fromkeys(job.request.name for job in self._state.jobs.values()))

    def _jobs(self, which: UUID | str) -> Iterator[Job]:
        jobs = self._state.jobs
        if isinstance(which, str):
            return (job for job in jobs.values() if job.request.name == which)
        return (job for job in (jobs.get(which),) if job is not None)

    def ended_runs(self, which: UUID | str, after: int) -> list[tuple[int, Run]]:
        """Return the runs of a job, or of all with a name, that ended after a mark; each with a mark of its own."""
        found: list[tuple[int, Run]] = []
        for job in self._jobs(which):
            for run in reversed(job.history.runs if job.history is not None else ()):
                if run.number <= after:
                    break
                found.append((run.number, run))
        return sorted(found, key=lambda pair: pair[0])

    def record(self, run: Run) -> RunRecord:
        """Return the record of a run that has ended."""
        return self._state.record(run)

    def mark(self) -> int:
        """Return a mark that is after all that has ended so far."""
        newest = next(self._state.history.newest_first(None), None)
        return 0 if newest is None else newest.number

    def outlook(self, which: UUID | str) -> list[tuple[str, bool]]:
        """Return for each job: its state, and whether a run of it is active or planned."""
        return [(job.state.value, bool(job.pending or job.runs)) for job in self._jobs(which)]

    def faults(self) -> list[str]:
        """Return what is wrong with its books, in words, once it has ended."""
        faults: list[str] = []
        books = self.scheduler.get_metrics_snapshot().books
        if not books.balanced:
            faults.append(f"the books do not balance, a run was lost or counted twice: {books}")
        if books.active:
            faults.append(f"{books.active} runs have neither ended nor been reported")
        try:
            check(self._state)
        except AssertionError as exc:
            faults.append(f"its tables do not agree: {exc}")
        return faults
