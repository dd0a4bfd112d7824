"""Callers that wait: until a run has ended, until no further run of a job is to come, until the scheduler is idle."""

from collections.abc import Callable, Iterable
from typing import Any, Final, final

from turnkeeper_trio._engine.rows import Job, Occurrence

IDLE: Final = "idle"
"""The subject of callers that wait until no run is active and none is planned."""


IDLE_DUE: Final = "idle but for later"
"""The subject of callers that wait until no run is active and none is due."""


EXECUTED: Final = "no run executes"
"""The subject of callers that wait until no run executes."""


Subject = Job | Occurrence | str
"""What callers can wait for."""


@final
class Wait:
    """An answer that is not ready before each of its subjects has ended.

    ``result`` makes the answer from the items as which the subjects ended, in the order of the subjects.
    """

    __slots__ = ("_items", "_left", "_result", "_waits", "token")

    def __init__(self, waits: "Waits", subjects: Iterable[Subject], result: Callable[[list[Any]], Any]) -> None:
        self._waits = waits
        self._result = result
        self._items: dict[Subject, Any] = dict.fromkeys(subjects)
        self._left = dict(self._items)
        self.token: Any = None
        """The caller to answer; the runtime sets it."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The subjects that have not ended yet."""
        return tuple(self._left)

    def end_subject(self, subject: Subject, item: Any) -> bool:
        """Note that a subject has ended as ``item``; return whether it was the last."""
        self._items[subject] = item
        del self._left[subject]
        return not self._left

    def result(self) -> Any:
        """Return the answer."""
        return self._result(list(self._items.values()))

    def withdraw(self) -> None:
        """Stop waiting, because the caller has given up. What it asked for is not undone."""
        self._waits.remove(self)
        self._left.clear()


@final
class Waits(dict[Subject, dict[Wait, None]]):
    """The waits, by subject. It is a table itself, because each run that ends looks here, and mostly finds nothing."""

    __slots__ = ()

    def on(self, subjects: Iterable[Subject], result: Callable[[list[Any]], Any]) -> Wait:
        """Make and add a wait for subjects; see `Wait`."""
        wait = Wait(self, subjects, result)
        for subject in wait.subjects:
            self.setdefault(subject, {})[wait] = None
        return wait

    def end_subject(self, subject: Subject, item: Any) -> list[Wait]:
        """Remove a subject that has ended as ``item``, and return the waits whose last subject it was."""
        return [wait for wait in self.pop(subject, ()) if wait.end_subject(subject, item)]

    def subjects(self) -> tuple[Subject, ...]:
        """Return the subjects for which a caller waits."""
        return tuple(self)

    def withdraw_all(self, subject: Subject) -> list[Wait]:
        """Remove and return the waits for a subject whose end will not be known."""
        waits = list(self.get(subject, ()))
        for wait in waits:
            wait.withdraw()
        return waits

    def remove(self, wait: Wait) -> None:
        """Remove a wait."""
        for subject in wait.subjects:
            waits = self[subject]
            del waits[wait]
            if not waits:
                del self[subject]
