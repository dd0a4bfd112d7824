"""What a job may say about itself, by returning or by raising it.

Raised from deep inside, or returned at the end, a verdict means the same: it is neither a value nor an error.
"""

from datetime import timedelta
from typing import final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard

__all__ = ["CancelJob", "GiveUp", "Retry", "Snooze", "Verdict"]


class Verdict(Exception):
    """The base of what a job may say about itself."""


def _with_reason(what: str, verdict: Verdict) -> str:
    """Say why; the reason may be any object, and one that is missing (a subclass did not call ours) is none."""
    reason = guard.attribute(verdict, "reason")
    why = "" if reason is None else guard.text(reason)
    return f"{what}: {why}" if why else what


@final
class Retry(Verdict):
    """Try this run again: it counts as a failed attempt, and uses up a retry."""

    def __init__(self, after: float | timedelta | None = None) -> None:
        """Try again ``after`` so long (seconds, or a ``timedelta``); ``None``: as the retry policy says.

        Raises:
            ConfigurationError: ``after`` is negative.
        """
        super().__init__(after)
        self.after_us: int | None = _validation.optional_duration("after", after)

    def __str__(self) -> str:
        """Say what was asked."""
        return "it asked to be tried again"


@final
class Snooze(Verdict):
    """Go on with this run later: it did not fail, and uses up no retry."""

    def __init__(self, delay: float | timedelta) -> None:
        """Go on after ``delay`` (seconds, or a ``timedelta``).

        Raises:
            ConfigurationError: ``delay`` is negative.
        """
        super().__init__(delay)
        self.delay_us: int = _validation.duration("delay", delay)

    def __str__(self) -> str:
        """Say what was asked."""
        return "it asked to go on later"


@final
class GiveUp(Verdict):
    """This run has failed, and trying again would not help. The next occurrence comes as planned."""

    def __init__(self, reason: str = "") -> None:
        """Give up for a reason."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Say why."""
        return _with_reason("it gave up", self)


@final
class CancelJob(Verdict):
    """The job has nothing more to do: this run ends cancelled, and so does the job."""

    def __init__(self, reason: str = "") -> None:
        """End the job for a reason."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Say why."""
        return _with_reason("it ended its job", self)
