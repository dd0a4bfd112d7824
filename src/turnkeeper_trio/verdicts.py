"""Verdicts: a job returns or raises one to decide how its run continues.

A verdict means the same whether it is returned or raised. It counts neither as a value nor as an error of the run.
"""

from datetime import timedelta
from typing import final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path

__all__ = ["CancelJob", "GiveUp", "Retry", "Snooze", "Verdict"]


class Verdict(Exception):
    """The base of the verdicts `Retry`, `Snooze`, `GiveUp` and `CancelJob`."""


def _with_reason(what: str, verdict: Verdict) -> str:
    """Return a text with the reason of a verdict; the reason may be any object, or be missing in a subclass."""
    reason = guard.attribute(verdict, "reason")
    why = "" if reason is None else guard.text(reason)
    return f"{what}: {why}" if why else what


@final
class Retry(Verdict):
    """Try this run again. The attempt counts as failed, and uses up a retry."""

    def __init__(self, after: float | timedelta | None = None) -> None:
        """Try again ``after`` this time (seconds or a ``timedelta``); ``None``: after the delay of the retry policy.

        Raises:
            ConfigurationError: ``after`` is negative, not finite or no duration.
        """
        super().__init__(after)
        self.after_us: int | None = _validation.optional_duration("after", after)

    def __str__(self) -> str:
        return "it asked to be tried again"


@final
class Snooze(Verdict):
    """Continue this run later. The attempt did not fail, and uses up no retry."""

    def __init__(self, delay: float | timedelta) -> None:
        """Continue with a further attempt after ``delay`` (seconds or a ``timedelta``).

        Raises:
            ConfigurationError: ``delay`` is negative, not finite or no duration.
        """
        super().__init__(delay)
        self.delay_us: int = _validation.duration("delay", delay)

    def __str__(self) -> str:
        return "it asked to go on later"


@final
class GiveUp(Verdict):
    """This run has failed, and is not tried again. The next occurrence comes as planned.

    The record of the run shows the ``reason``.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return _with_reason("it gave up", self)


@final
class CancelJob(Verdict):
    """The job has nothing more to do: this run ends as cancelled, and the job is cancelled.

    The record of the run and the details of the job show the ``reason``.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return _with_reason("it ended its job", self)


set_public_path(Retry, Snooze, GiveUp, CancelJob)
