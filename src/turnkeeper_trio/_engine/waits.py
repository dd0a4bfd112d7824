"""Callers that wait: for a run to end, for a lineage to be over, for the scheduler to be idle."""

from collections.abc import Callable, Iterable
from typing import Any, Final, final

from turnkeeper_trio._engine.rows import Job, Occurrence

IDLE: Final = "idle"
"""What a caller waits on who waits until nothing is active and nothing is planned."""


IDLE_DUE: Final = "idle but for later"
"""What a caller waits on who waits until nothing is active and nothing is due."""


EXECUTED: Final = "no run executes"
"""What a caller waits on who waits until nothing executes."""


Subject = Job | Occurrence | str
"""What somebody can wait on."""


@final
class Wait:
    """An answer that is not ready yet: it will be, when each of its subjects has come to an end."""

    __slots__ = ("_came", "_left", "_result", "_waits", "token")

    def __init__(self, waits: "Waits", subjects: Iterable[Subject], result: Callable[[list[Any]], Any]) -> None:
        """Wait on subjects; ``result`` makes the answer from what became of them, in their order."""
        self._waits = waits
        self._result = result
        self._came: dict[Subject, Any] = dict.fromkeys(subjects)
        self._left = dict(self._came)
        self.token: Any = None
        """Whom to answer; the runtime's."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What it still waits on."""
        return tuple(self._left)

    def came(self, subject: Subject, item: Any) -> bool:
        """Note what became of a subject; return whether that was the last."""
        self._came[subject] = item
        del self._left[subject]
        return not self._left

    def result(self) -> Any:
        """Return the answer."""
        return self._result(list(self._came.values()))

    def withdraw(self) -> None:
        """Wait no longer: the caller has given up. What was decided stays decided."""
        self._waits.remove(self)
        self._left.clear()


@final
class Waits(dict[Subject, dict[Wait, None]]):
    """All callers that wait, by what they wait on. It is a table: each run that ends looks here, and mostly in vain."""

    __slots__ = ()

    def on(self, subjects: Iterable[Subject], result: Callable[[list[Any]], Any]) -> Wait:
        """Make a wait on subjects, and remember it."""
        wait = Wait(self, subjects, result)
        for subject in wait.subjects:
            self.setdefault(subject, {})[wait] = None
        return wait

    def over(self, subject: Subject, item: Any) -> list[Wait]:
        """A subject has come to an end, as ``item``: return the waits that are over with it."""
        return [wait for wait in self.pop(subject, ()) if wait.came(subject, item)]

    def subjects(self) -> tuple[Subject, ...]:
        """Return on what somebody waits."""
        return tuple(self)

    def lost(self, subject: Subject) -> list[Wait]:
        """Nobody will know what becomes of a subject: return the waits that depended on it, and forget them."""
        waits = list(self.get(subject, ()))
        for wait in waits:
            wait.withdraw()
        return waits

    def remove(self, wait: Wait) -> None:
        """Forget a wait."""
        for subject in wait.subjects:
            waits = self[subject]
            del waits[wait]
            if not waits:
                del self[subject]
