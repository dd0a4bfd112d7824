"""The report of a shutdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, RunRecord
from turnkeeper_trio._model.text import counted, listed


@final
@dataclass(frozen=True, slots=True)
class ShutdownReport(Record):
    """What the shutdown did with every run that was active or fell due after it began."""

    finished: tuple[RunRecord, ...]
    """Runs that ended after the shutdown began and that it did not interrupt."""

    interrupted: tuple[RunRecord, ...]
    """Runs that the shutdown ended while they executed, or before their next attempt."""

    never_started: tuple[RunRecord, ...]
    """Runs that were due and had not started; a record may stand for ``count`` occurrences of one job."""

    still_running: tuple[ActiveRun, ...]
    """Runs that had not ended when the report was made; empty in the final report."""

    unrun: int
    """The number of planned occurrences that were not due yet: they do not run, unless a store keeps their jobs."""

    handed_back: int = 0
    """The number of runs that were due and had not ended: the store keeps them, and they go on when it is opened again.
    Without a store it is 0: then they are in ``interrupted`` and ``never_started``."""

    unsaved: int = 0
    """The number of jobs of which the store could not commit what happened last. It has them as they were before."""

    def __str__(self) -> str:
        """Return the counts in one line, then a line for each run: at most ten of each kind."""
        groups = (
            ("finished", self.finished),
            ("interrupted", self.interrupted),
            ("never started", self.never_started),
            ("still running", self.still_running),
        )
        counts = listed(f"{_occurrences(runs)} {kind}" for kind, runs in groups if runs)
        head = f"{'still shutting down' if self.still_running else 'shut down'}: {counts or 'no run was active'}"
        if self.handed_back:
            head += f"; {counted(self.handed_back, 'run')} left to the store"
        if self.unsaved:
            head += f"; what happened last to {counted(self.unsaved, 'job')} could not be saved"
        if self.unrun:
            head += f"; {counted(self.unrun, 'occurrence')} planned for later, left unrun"
        width = max((len(run.name) for _, runs in groups for run in runs[:_SHOWN]), default=0)
        return "\n".join([head, *(line for kind, runs in groups for line in _lines(kind, runs, width))])


_SHOWN: Final = 10
"""How many runs of each kind are shown."""


def _occurrences(runs: Sequence[RunRecord | ActiveRun]) -> int:
    return sum(run.count if isinstance(run, RunRecord) else 1 for run in runs)


def _lines(kind: str, runs: Sequence[RunRecord | ActiveRun], width: int) -> Iterator[str]:
    for run in runs[:_SHOWN]:
        yield f"  {run.name:<{width}}  {str(run).splitlines()[0]}"
    if len(runs) > _SHOWN:
        yield f"  and {_occurrences(runs[_SHOWN:])} more {kind}"


set_public_path(ShutdownReport)
