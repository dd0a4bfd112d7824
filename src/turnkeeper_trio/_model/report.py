"""What a shutdown did."""

from dataclasses import dataclass
from typing import final

from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, RunRecord


@final
@dataclass(frozen=True, slots=True)
class ShutdownReport(Record):
    """Every run that the shutdown dealt with."""

    finished: tuple[RunRecord, ...]
    """Runs that ended by themselves after the shutdown had begun."""

    interrupted: tuple[RunRecord, ...]
    """Runs that the shutdown ended: cut off while executing, or while they waited for a retry."""

    never_started: tuple[RunRecord, ...]
    """Runs that were due and had not been started; a record may stand for ``count`` occurrences of one job."""

    still_running: tuple[ActiveRun, ...]
    """Runs that had not ended when the report was made; empty in the final report."""

    unrun: int
    """Occurrences whose instant had not come: they are left as they were planned, and will not run."""

    def __str__(self) -> str:
        """Return the counts in one line."""
        parts = (
            f"{len(self.finished)} finished",
            f"{len(self.interrupted)} interrupted",
            f"{sum(record.count for record in self.never_started)} never started",
            f"{len(self.still_running)} still running",
            f"{self.unrun} planned for later and left unrun",
        )
        return "shutdown: " + ", ".join(parts)
