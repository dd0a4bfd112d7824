"""What a test is told when the time it asks for cannot come."""

from typing import final

import pendulum

__all__ = ["SchedulerTimeError"]


@final
class SchedulerTimeError(AssertionError):
    """The time or the event that a test asked for, or waits for, cannot come. The message names what is due next."""

    def __init__(
        self, message: str, *, now: pendulum.DateTime, next_due: tuple[tuple[pendulum.DateTime, str], ...]
    ) -> None:
        """Describe what cannot come."""
        super().__init__(message)
        self.now = now
        """What time it was."""
        self.next_due = next_due
        """The next planned occurrences, the first ones: when, and the name of the job."""
