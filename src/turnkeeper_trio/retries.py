"""Retry policies: how long to wait before a failed attempt is tried again."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.run import FailedAttempt
from turnkeeper_trio._model.times import duration_us, seconds
from turnkeeper_trio.abc import RetryPolicy

__all__ = ["ExponentialBackoff", "FailedAttempt", "FixedRetryDelay"]


@final
@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """Wait longer after each failure: ``initial`` seconds, then ``factor`` times as long each time, up to ``maximum``.

    With the defaults: 1 minute, 3, 9, 27 minutes, 1 h 21 min, then 4 h 3 min each time, each of them ±10 %.
    """

    initial: float | timedelta = 60.0
    """The wait before the first retry, in seconds or as a ``timedelta``."""

    factor: float = 3.0
    """How many times as long the wait is as the wait before it; at least 1."""

    maximum: float | timedelta = 14_580.0
    """The longest wait before jitter, in seconds or as a ``timedelta``."""

    jitter: float = 0.1
    """By which share a wait is at most shorter or longer, at random: 0.1 is ±10 %."""

    max_elapsed: float | timedelta | None = None
    """Give up if the next attempt would begin more than this after the first attempt began."""

    def __post_init__(self) -> None:
        """Check the parameters."""
        _validation.duration("initial", self.initial)
        _validation.duration("maximum", self.maximum)
        _validation.number("factor", self.factor, least=1.0, most=1e6)
        _validation.number("jitter", self.jitter, least=0.0, most=1.0)
        if _validation.limit("max_elapsed", self.max_elapsed) is None:
            object.__setattr__(self, "max_elapsed", None)

    def delay(self, failed: FailedAttempt, rng: random.Random) -> float | None:
        """Return the seconds to wait after ``failed``, or ``None`` if ``max_elapsed`` would be exceeded."""
        wait, maximum = seconds(duration_us(self.initial)), seconds(duration_us(self.maximum))
        # Not factor ** n, which overflows for a run with thousands of retries. The maximum is reached long before.
        for _ in range(failed.number - 1):
            if wait >= maximum or wait * self.factor == wait:
                break
            wait *= self.factor
        wait = min(wait, maximum)
        if self.jitter:
            wait *= 1 + self.jitter * (2 * rng.random() - 1)
        if self.max_elapsed is not None and failed.elapsed + wait > seconds(duration_us(self.max_elapsed)):
            return None
        return wait


@final
@dataclass(frozen=True, slots=True, init=False, repr=False)
class FixedRetryDelay:
    """Wait the same time after each failure."""

    _wait: float | timedelta
    jitter: float = 0.0

    def __init__(self, delay: float | timedelta, jitter: float = 0.0) -> None:
        """Wait ``delay`` (seconds or a ``timedelta``), at random shorter or longer by ``jitter`` (0.1 is ±10 %).

        Raises:
            ConfigurationError: ``delay`` is negative or not finite, or ``jitter`` is not between 0 and 1.
        """
        _validation.duration("delay", delay)
        _validation.number("jitter", jitter, least=0.0, most=1.0)
        object.__setattr__(self, "_wait", delay)
        object.__setattr__(self, "jitter", jitter)

    def __repr__(self) -> str:
        """Return the code that makes this policy."""
        return f"FixedRetryDelay({self._wait!r}, jitter={self.jitter!r})"

    def delay(self, failed: FailedAttempt, rng: random.Random) -> float:
        """Return the seconds to wait; they are the same after each failure, apart from jitter."""
        del failed
        wait = seconds(duration_us(self._wait))
        if self.jitter:
            wait *= 1 + self.jitter * (2 * rng.random() - 1)
        return wait


DEFAULT_RETRY: Final[RetryPolicy] = ExponentialBackoff()
"""The policy of a request with ``max_retries`` and without ``retry``."""


set_public_path(ExponentialBackoff, FixedRetryDelay)
