"""The changes that a store has to commit: what changed since it last asked, and which of them it may refuse."""

from dataclasses import dataclass
from typing import Any, final

from turnkeeper_trio._engine.rows import Attempt, Job
from turnkeeper_trio._model.change import Change, ChangeKind


@final
@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that a store may still refuse."""

    subject: Job | Attempt
    token: Any = None
    """The caller that waits for the store's decision, if there is one."""


@final
class ChangeLog:
    """Changes that a store has not been given yet. If no store asks for them, none is noted."""

    def __init__(self, *, asked: bool) -> None:
        self.asked = asked
        """Whether a store asks for changes."""
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
        """Return the changes since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def settle(self) -> dict[int, PendingChange]:
        """Return the changes that were proposed, by id, and remove them."""
        proposals, self._proposals = self._proposals, {}
        return proposals

    def _append(self, kind: ChangeKind, job: Job, data: dict[str, Any]) -> None:
        self._last_id += 1
        self._changes.append(Change(self._last_id, kind, job.job_id, data))
