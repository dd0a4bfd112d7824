"""What the runtime has to do about what was decided."""

from typing import Any, final

from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.tables import Run
from turnkeeper_trio._model.event import Event
from turnkeeper_trio._model.run import ActiveRun


@final
class Effects:
    """Filled by decisions, emptied by the runtime, once a turn."""

    __slots__ = ("answers", "assignments", "cancels", "critical", "ended", "events", "fatal", "stuck", "waited_for")

    def __init__(self) -> None:
        """Nothing is to be done."""
        self.cancels: list[Attempt] = []
        """Attempts whose scope is to be cancelled: at once, without waiting for the store."""
        self.assignments: list[Attempt] = []
        """Attempts to hand to workers."""
        self.answers: list[tuple[Any, Any]] = []
        """Callers (tokens) and their answers; an answer that is an exception is raised there."""
        self.events: list[Event] = []
        self.ended: list[Run] = []
        """Runs that ended with an error: the locals of its frames are cleared once everybody was told."""
        self.stuck: list[Attempt] = []
        """Attempts that did not unwind within their grace."""
        self.waited_for: tuple[ActiveRun, ...] = ()
        """Runs for which the shutdown has been waiting for long."""
        self.critical: Run | None = None
        """A run of a critical job that failed for good."""
        self.fatal: BaseException | None = None
        """A ``KeyboardInterrupt`` or ``SystemExit`` that a job raised."""
