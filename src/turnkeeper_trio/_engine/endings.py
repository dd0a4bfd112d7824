"""How an attempt comes to its end, in the words that worker and engine share."""

from enum import Enum, auto
from typing import Protocol


class Cause(Enum):
    """Why an attempt was asked to end."""

    CANCEL = auto()
    REPLACED = auto()
    SHUTDOWN = auto()


class Ending(Enum):
    """How an attempt ended, as the worker saw it."""

    REVOKED = auto()
    """It was taken back before its body began, or could not begin in time."""
    RETURNED = auto()
    VERDICT = auto()
    """It said itself what is to become of its run: its value is a `Verdict`."""
    RAISED = auto()
    TIMED_OUT = auto()
    """Its own deadline cut it off."""
    CUT_OFF = auto()
    """It was cancelled by its scope, for the cause on record."""
    FATAL = auto()
    """It raised ``KeyboardInterrupt`` or ``SystemExit``."""


class Cancellable(Protocol):
    """What the engine knows of a cancel scope."""

    @property
    def cancel_called(self) -> bool:
        """Whether it has been cancelled, or its deadline has passed."""
        ...

    def cancel(self) -> object:
        """Ask what runs in the scope to end."""
        ...
