"""The store's side of the engine: what changed since the store was last told, and which changes it may refuse."""

from dataclasses import dataclass
from typing import Any, final

from turnkeeper_trio._engine.rows import Attempt, Job
from turnkeeper_trio._model.change import Change, ChangeKind


@final
@dataclass(frozen=True, slots=True)
class PendingChange:
    """Something decided that a store may still refuse."""

    subject: Job | Attempt
    token: Any = None
    """Who waits to be told, where somebody does."""


@final
class ChangeLog:
    """Changes that a store has not been told of. Where no store asks, nothing is noted."""

    def __init__(self, *, asked: bool) -> None:
        """Begin with no changes."""
        self.asked = asked
        self._last_id = 0
        self._changes: list[Change] = []
        self._proposals: dict[int, PendingChange] = {}

    def note(self, kind: ChangeKind, job: Job, data: dict[str, Any]) -> None:
        """Note a change that a store cannot refuse."""
        if self.asked:
            self._append(kind, job, data)

    def propose(self, kind: ChangeKind, job: Job, data: dict[str, Any], proposal: PendingChange) -> None:
        """Note a change that a store may refuse."""
        self._append(kind, job, data)
        self._proposals[self._last_id] = proposal

    def take(self) -> list[Change]:
        """Return what changed since this was last called."""
        changes, self._changes = self._changes, []
        return changes

    def settle(self) -> dict[int, PendingChange]:
        """Return what was proposed; nothing is proposed any more."""
        proposals, self._proposals = self._proposals, {}
        return proposals

    def _append(self, kind: ChangeKind, job: Job, data: dict[str, Any]) -> None:
        self._last_id += 1
        self._changes.append(Change(self._last_id, kind, job.job_id, data))
