"""The protocols that users may implement: a schedule, a retry policy, a clock, a store."""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from turnkeeper_trio._model.change import Change, ChangeKind, Refusal
from turnkeeper_trio._model.run import FailedAttempt

__all__ = ["Change", "ChangeKind", "Clock", "Refusal", "RetryPolicy", "Schedule", "Store"]


@runtime_checkable
class Schedule(Protocol):
    """When a job's occurrences are: a pure rule, the same answer for the same argument, for ever.

    `next_after` is all that a class of one's own needs. Two further methods are used where they exist:
    ``anchored(at)`` returns the schedule bound to the instant at which the job was accepted, and
    ``count_between(after, until)`` returns how many occurrences there are with ``after < t <= until``.
    """

    def next_after(self, after: datetime, /) -> datetime | None:
        """Return the earliest occurrence strictly later than ``after``, or ``None`` if there is none.

        ``after`` is aware, in UTC; the answer must be aware too, in any zone. A schedule that raises, or that answers
        with an instant which is not later than ``after``, halts its job and nothing else.
        """
        ...


@runtime_checkable
class RetryPolicy(Protocol):
    """How long to wait before a failed attempt is tried again."""

    def delay(self, failed: FailedAttempt, rng: random.Random, /) -> float | timedelta | None:
        """Return the delay before the next attempt, in seconds or as a ``timedelta``; ``None`` gives up.

        It is asked only while ``max_retries`` allows another attempt. ``rng`` is the scheduler's own source of chance:
        a policy that draws from nothing else is repeatable in tests.
        """
        ...


@runtime_checkable
class Clock(Protocol):
    """What time it is, and until when to sleep. `SystemClock` and `VirtualClock` are the library's own."""

    def wall(self) -> int:
        """Return the wall time: microseconds since 1970-01-01 00:00 UTC."""
        ...

    def loop(self) -> int:
        """Return the event loop's time in microseconds: it never steps, and its zero means nothing."""
        ...

    def deadline(self, wall: int, /) -> float:
        """Return the loop time, in seconds, at which to look again for work due at the wall time ``wall``."""
        ...

    def hold(self) -> AbstractContextManager[object]:
        """Return a context manager inside of which time that can be held (virtual time) stands still."""
        ...


@runtime_checkable
class Store(Protocol):
    """Where jobs and runs are kept beyond this process. Without one, memory is all there is."""

    async def apply(self, changes: Sequence[Change], /) -> Sequence[Refusal]:
        """Commit the changes, in order, as one batch, and return those that were refused (conflict, lost ownership).

        Nothing that the changes announce is acted on before this returns: no body starts, no caller is answered, no
        event is published. A change that is refused is taken back by the engine. Raise `StoreUnavailable` to have the
        whole batch tried again.
        """
        ...
