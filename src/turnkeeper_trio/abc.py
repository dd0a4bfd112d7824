"""The protocols that users may implement: a schedule, a retry policy, a clock, a store."""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, Self, runtime_checkable

from turnkeeper_trio._model.run import FailedAttempt
from turnkeeper_trio._model.stored import (
    Batch,
    Claim,
    Claimed,
    Completion,
    DefinitionImage,
    JobChange,
    JobImage,
    JobQuery,
    OccurrenceImage,
    Opened,
    Refusal,
    RunImage,
    RunQuery,
    RunState,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)

__all__ = [
    "ArgumentCodec",
    "Batch",
    "Claim",
    "Claimed",
    "Clock",
    "Completion",
    "DefinitionImage",
    "JobChange",
    "JobImage",
    "JobQuery",
    "OccurrenceImage",
    "Opened",
    "Refusal",
    "RetryPolicy",
    "RunImage",
    "RunQuery",
    "RunState",
    "Schedule",
    "Storable",
    "Store",
    "StoreCounts",
    "StoreNode",
    "StoredJob",
    "StoredRun",
    "TransactionalStore",
]


@runtime_checkable
class Schedule(Protocol):
    """When a job's occurrences are: a pure rule, which always gives the same answer for the same argument.

    Your own class only needs `next_after`. Two further methods are used if they exist. ``anchored(at)`` returns the
    schedule bound to the instant at which its grid begins: the submission of the job, or its ``initial_run_time``.
    ``count_between(after, until)`` returns how many occurrences there are with ``after < t <= until``.
    """

    def next_after(self, after: datetime, /) -> datetime | None:
        """Return the earliest occurrence that is strictly later than ``after``, or ``None`` if there is none.

        ``after`` is an aware datetime in UTC. The answer must be an aware datetime, in any timezone. If the method
        raises, or answers with an instant that is not later than ``after``, the job is halted. No other job is
        affected.
        """
        ...


@runtime_checkable
class RetryPolicy(Protocol):
    """How long to wait before a failed attempt is tried again."""

    def delay(self, failed: FailedAttempt, rng: random.Random, /) -> float | timedelta | None:
        """Return the delay before the next attempt, in seconds or as a ``timedelta``; ``None`` gives up.

        It is called only if ``max_retries`` allows a further attempt. ``rng`` is the scheduler's source of random
        numbers. A policy that uses no other source gives the same delays in each run of a test.
        """
        ...


@runtime_checkable
class Storable(Protocol):
    """What a schedule or a retry policy of your own also needs if jobs that have it are kept in a durable store.

    Your class is given where JSON is read: ``open_scheduler(kinds=[MySchedule])``, ``from_json(data, kinds=[…])``.
    The class also has an attribute ``kind``, which is its name in JSON, such as ``kind = "shop.opening_hours"``. It
    stays when the class gets another name. (It is no member of the protocol, because type checkers would accept it
    either with or without ``ClassVar``, and not both.) What is read must be equal to what was written, so define
    ``__eq__``; a frozen dataclass has it.
    """

    def to_json(self) -> Any:
        """Return plain JSON values, from which ``from_json`` makes an equal object."""
        ...

    @classmethod
    def from_json(cls, data: Any, /) -> Self:
        """Return the object that ``to_json`` wrote."""
        ...


@runtime_checkable
class ArgumentCodec(Protocol):
    """How arguments of jobs that are no JSON values are written as text and read back: ``open_scheduler(codec=…)``.

    It is used for each argument of each job, and only in front of a durable store. Each job whose arguments it wrote
    can be read only with a codec that understands them. Both methods are called in the task of the caller when the job
    is submitted, so that what cannot be kept is an error there.
    """

    def dumps(self, value: Any, /) -> str:
        """Return an argument as text."""
        ...

    def loads(self, text: str, /) -> Any:
        """Return the argument that ``dumps`` wrote."""
        ...


@runtime_checkable
class Clock(Protocol):
    """The wall time, the time of the event loop, and until when to sleep; see `SystemClock` and `VirtualClock`."""

    def wall(self) -> int:
        """Return the wall time: microseconds since 1970-01-01 00:00 UTC."""
        ...

    def loop(self) -> int:
        """Return the time of the event loop in microseconds. It never steps. Only differences of it have a meaning."""
        ...

    def deadline(self, wall: int, /) -> float:
        """Return the loop time, in seconds, at which to look for work that is due at the wall time ``wall``."""
        ...

    def hold(self) -> AbstractContextManager[object]:
        """Return a context manager inside which virtual time stands still. Real time does not stop."""
        ...


@runtime_checkable
class Store(Protocol):
    """Where jobs and runs are kept beyond the life of this process. Without a store they are only in memory.

    A store only keeps: the scheduler that has claimed a job decides everything about it. It is used by one scheduler at
    a time, and only one of its methods is called at a time, except for `read_jobs`, `read_runs`, `read_upcoming` and
    `count`, which callers of the scheduler call whenever they like. Each method may raise `StoreUnavailable`: nothing
    was done, or it is unknown whether it was, and the call is made again with the same arguments. Anything else that it
    raises ends the scheduler with `StoreError`. Each method is shielded from cancellation by its caller.
    """

    @property
    def horizon(self) -> float:
        """How many seconds before it is due a job is claimed; ``math.inf``: all jobs are claimed at once."""
        ...

    async def open(self, node: StoreNode, /) -> Opened:
        """Open the store, or create it; nobody owns any job afterwards.

        Raises:
            StoreError: it cannot be opened; a subclass says why.
        """
        ...

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        """Commit the changes, in order, in one transaction, and return those that were refused.

        A refused change leaves no trace. Half a surrogate pair in a text, for which UTF-8 has no letters, is kept as it
        can be. Before this returns, no job function starts, no caller is answered and no event is published because of
        these changes. A batch whose number was committed before, since the store was opened, is not done again: the
        refusals are those of the first time.
        """
        ...

    async def claim(self, claim: Claim, /) -> Claimed:
        """Give jobs that nobody owns to the scheduler, which owns them until it releases them."""
        ...

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        """Return jobs with their runs that have not ended, in the order of submission."""
        ...

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        """Return runs that have ended, the newest first."""
        ...

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        """Return the jobs that nobody owns and that have a ``wake_at``, the earliest first, with their open runs.

        Jobs with the same ``wake_at`` may be in any order.
        """
        ...

    async def count(self) -> StoreCounts:
        """Return how much the store holds."""
        ...

    async def close(self, *, clean: bool) -> None:
        """Close the store, so that another process may open it; ``clean`` says that everything was committed."""
        ...


@runtime_checkable
class TransactionalStore(Store, Protocol):
    """A store that can commit work of a user's together with the success of a run; see `RunContext.complete_with`."""

    async def complete(self, completion: Completion, /) -> bool:
        """Do the work in a transaction in which the row of its run becomes `RunState.COMPLETED`, with its value.

        The same completion may be offered again after `StoreUnavailable`; if it was committed, it is not done again.
        Such a row is never replaced by one that has not ended.

        Returns:
            Whether it is committed. If not, nothing was done: either the work raised (``error``), or the run does not
            execute that attempt.
        """
        ...
