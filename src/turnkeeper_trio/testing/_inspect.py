"""`Opened`: what the harness reads from a scheduler beyond its public methods. Only this module looks inside of one."""

from typing import Any, final
from uuid import UUID

from turnkeeper_trio._engine import queries
from turnkeeper_trio._engine.engine import Engine, Run
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._runtime.clock import read
from turnkeeper_trio._runtime.scheduler import Scheduler


@final
class Opened:
    """A scheduler that has been opened. Answers are as of its last turn: they do not contain what is still staged.

    So a test lets other tasks run first (`TimeGate.rest`).
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    @property
    def _parts(self) -> Any:
        return vars(self.scheduler)["_parts"]

    @property
    def _engine(self) -> Engine:
        engine: Engine = self._parts.engine
        return engine

    @property
    def ended(self) -> bool:
        """Whether its coordinator has ended."""
        ended: bool = self._parts.coordinator.ended.is_set()
        return ended

    def wake(self) -> None:
        """Wake its coordinator, so that it looks at the clock."""
        self._parts.coordinator.wake()

    def planned(self) -> list[tuple[int, str]]:
        """Return the next occurrence of each job, and the next retry, in order: when, and the name of the job."""
        return [] if self.scheduler.is_closed else self._engine.decide(queries.planned, read(self._parts.clock))

    def records(self) -> list[RunRecord]:
        """Return all records, the oldest first.

        Raises:
            AssertionError: It has forgotten some.
        """
        records, forgotten = self._engine.ask(queries.all_records)
        if forgotten:
            raise AssertionError(
                f"{self.scheduler!r} has forgotten {forgotten} of its records, so its log is not whole: open it with a "
                f"larger history_limit and history_per_job, or do not delete jobs before the log is read"
            )
        return records

    def names(self) -> list[str]:
        """Return the names of its jobs, in the order of submission."""
        return self._engine.ask(queries.job_names)

    def ended_runs(self, which: UUID | str, after: int) -> list[tuple[int, Run]]:
        """Return the runs that ended after the mark ``after``, each with its own mark.

        ``which`` is the id of a job, or the name of one or more jobs.
        """
        return self._engine.ask(queries.ended_runs, which, after)

    def record(self, run: Run) -> RunRecord:
        """Return the record of a run that has ended."""
        return self._engine.record(run)

    def mark(self) -> int:
        """Return a mark that is not before that of any run that has ended."""
        return self._engine.ask(queries.newest_mark)

    def outlook(self, which: UUID | str) -> list[tuple[str, bool]]:
        """Return the state of each job with this id or name, and whether a run of it is active or planned."""
        return self._engine.ask(queries.outlook, which)

    def faults(self) -> list[str]:
        """Return what is wrong in the books of a scheduler that has ended, in words."""
        faults: list[str] = []
        books = self.scheduler.get_metrics_snapshot().books
        if not books.balanced:
            faults.append(f"the books do not balance, a run was lost or counted twice: {books}")
        if books.active:
            faults.append(f"{books.active} runs have neither ended nor been reported")
        try:
            self._engine.check()
        except AssertionError as exc:
            faults.append(f"its tables do not agree: {exc}")
        return faults
