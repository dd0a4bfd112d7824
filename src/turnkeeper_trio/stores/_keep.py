"""How much of what has ended a store keeps."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, final

from turnkeeper_trio import _validation


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much of what has ended a store keeps. What is over a bound is removed bit by bit, with each commit.

    Rows of runs that have not ended are always kept, and of each job that is kept the newest record, the last run, the
    last success and the last failure. A job that has ended is removed together with all its records.
    """

    per_job: int | None = 100
    """About how many records of runs of one job are kept; ``None``: all."""

    age: float | timedelta | None = None
    """For how long, in seconds or as a ``timedelta``, records of runs and jobs that have ended are kept."""

    total: int | None = 1_000_000
    """How many records of runs are kept, and how many jobs that have ended; ``None``: all."""

    def __post_init__(self) -> None:
        for name in ("per_job", "total"):
            bound: Any = getattr(self, name)
            if bound is not None:
                object.__setattr__(self, name, _validation.integer(name, bound, least=0))
        _validation.optional_duration("age", self.age)

    @property
    def age_us(self) -> int | None:
        """The age in microseconds."""
        return _validation.optional_duration("age", self.age)
