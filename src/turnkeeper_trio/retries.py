"""Retry policies: how long to wait before a failed attempt is tried again."""

import random
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, Self, cast, final

from turnkeeper_trio import _validation
from turnkeeper_trio._kinds import NO_KINDS, Kinds, by_kind, custom_from_json, custom_to_json
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.run import FailedAttempt
from turnkeeper_trio._model.times import duration_from_json, duration_to_json, duration_us, seconds
from turnkeeper_trio.abc import RetryPolicy, Storable
from turnkeeper_trio.errors import ConfigurationError

__all__ = ["ExponentialBackoff", "FailedAttempt", "FixedRetryDelay", "retry_from_json"]

JSON_VERSION: Final = 1
"""The version that `to_json` writes, and the only one that `retry_from_json` reads."""


class _Policy:
    """How a policy of the library is written as JSON and read back."""

    __slots__ = ()
    kind: ClassVar[str]
    """The name of the kind in JSON."""

    def to_json(self) -> dict[str, Any]:
        """Return the policy as a dict of JSON values: its ``kind``, a ``version``, and its parameters."""
        values = {name: duration_to_json(value) for name, value in self._parameters().items()}
        return {"kind": self.kind, "version": JSON_VERSION, **values}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Make a policy of this class from what `to_json` returned.

        Raises:
            ConfigurationError: ``data`` is not what `to_json` writes, or its kind or its version is a different one.
        """
        made = retry_from_json(data)
        if not isinstance(made, cls):
            message = f"data is the JSON of {guard.shown(made)}, which is no {cls.__name__}"
            raise ConfigurationError(message, parameter="data")
        return made

    @abstractmethod
    def _parameters(self) -> dict[str, Any]:
        """Return the arguments of the call that makes this policy."""


@final
@dataclass(frozen=True, slots=True)
class ExponentialBackoff(_Policy):
    """Wait longer after each failure: ``initial`` seconds, then ``factor`` times as long each time, up to ``maximum``.

    With the defaults: 1 minute, 3, 9, 27 minutes, 1 h 21 min, then 4 h 3 min each time, each of them ±10 %.
    """

    kind: ClassVar[str] = "exponential"
    """The name of the kind in JSON."""

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

    def _parameters(self) -> dict[str, Any]:
        return {
            "initial": self.initial,
            "factor": self.factor,
            "maximum": self.maximum,
            "jitter": self.jitter,
            "max_elapsed": self.max_elapsed,
        }

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
class FixedRetryDelay(_Policy):
    """Wait the same time after each failure."""

    kind: ClassVar[str] = "fixed"
    """The name of the kind in JSON."""

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

    def _parameters(self) -> dict[str, Any]:
        return {"delay": self._wait, "jitter": self.jitter}

    def delay(self, failed: FailedAttempt, rng: random.Random) -> float:
        """Return the seconds to wait; they are the same after each failure, apart from jitter."""
        del failed
        wait = seconds(duration_us(self._wait))
        if self.jitter:
            wait *= 1 + self.jitter * (2 * rng.random() - 1)
        return wait


DEFAULT_RETRY: Final[RetryPolicy] = ExponentialBackoff()
"""The policy of a request with ``max_retries`` and without ``retry``."""


_KINDS: Final[dict[str, type[_Policy]]] = {cls.kind: cls for cls in (ExponentialBackoff, FixedRetryDelay)}


def retry_from_json(data: Any, *, kinds: Iterable[type[Storable]] = ()) -> RetryPolicy:
    """Make a retry policy of any kind from what its `to_json` returned.

    Args:
        data: What `to_json` returned.
        kinds: Your own classes that it may be of, each a `Storable`.

    Raises:
        ConfigurationError: ``data`` is not what `to_json` writes, its version is a different one, or its kind is
            neither one of the library's nor one of ``kinds``.
    """
    return read_retry(data, by_kind("kinds", kinds, _KINDS) if kinds else NO_KINDS)


def read_retry(data: Any, kinds: Kinds) -> RetryPolicy:
    """Return the policy that `written_retry` wrote.

    Raises:
        ConfigurationError: As `retry_from_json`.
    """
    if not isinstance(data, dict):
        message = f"data must be the dict that to_json() returned, not {guard.shown(data)}"
        raise ConfigurationError(message, parameter="data")
    parameters: dict[str, Any] = dict(cast("dict[str, Any]", data))
    kind = parameters.pop("kind", None)
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        return cast("RetryPolicy", custom_from_json({**parameters, "kind": kind}, kinds, "retry policy", _KINDS))
    version = parameters.pop("version", None)
    if version is True or version != JSON_VERSION:
        message = f"version {guard.shown(version)} of the kind {kind!r} is not known here, only {JSON_VERSION}"
        raise ConfigurationError(message, parameter="data")
    try:
        made: Any = cls(**{name: duration_from_json(value) for name, value in parameters.items()})
    except (LookupError, TypeError, ValueError, OverflowError) as exc:
        message = f"data is not what to_json() writes for {kind!r}: {exc}"
        raise ConfigurationError(message, parameter="data") from exc
    return cast("RetryPolicy", made)


def written_retry(policy: RetryPolicy) -> dict[str, Any]:
    """Return a retry policy, the library's or a user's, as JSON values."""
    if guard.is_a(policy, (ExponentialBackoff, FixedRetryDelay)):
        return cast("_Policy", policy).to_json()
    return custom_to_json(policy)


def retry_kinds() -> frozenset[str]:
    """Return the kinds of the library's retry policies."""
    return frozenset(_KINDS)


set_public_path(ExponentialBackoff, FixedRetryDelay)
