"""A store in a SQLite file: jobs and runs outlive the process.

The file is used by one scheduler at a time, and is on a disk of this machine: on a network file system its locks, and
what the disk promises, cannot be relied upon.
"""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Concatenate, Final, ParamSpec, TypeVar, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.stored import (
    Batch,
    Claim,
    Claimed,
    Completion,
    JobQuery,
    Opened,
    Refusal,
    RunQuery,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.stores._keep import Keep
from turnkeeper_trio.stores._offload import INLINE, THREAD, Offload
from turnkeeper_trio.stores.sqlite import _reads, _transaction, _writes
from turnkeeper_trio.stores.sqlite._session import Opening, Session, Settings
from turnkeeper_trio.stores.sqlite._transaction import SQLiteTransaction

__all__ = ["Keep", "SQLiteStore", "SQLiteTransaction"]

P = ParamSpec("P")
T = TypeVar("T")

_DURABILITY: Final = {"full": "FULL", "normal": "NORMAL"}


@final
class SQLiteStore:
    """Keeps jobs and runs in a file of SQLite.

    Each turn of the scheduler is one transaction. Its work is done in a thread of its own, one piece after the other.
    Another process that opens the file gets `StoreInUse`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: str = "full",
        create: bool = True,
        horizon: float | timedelta = 60.0,
        history: Keep | None = None,
        keep_values: bool = True,
        busy_timeout: float | timedelta = 5.0,
        offload: str | None = None,
    ) -> None:
        """Check the options; the file is opened by the scheduler.

        Args:
            path: The file. It is made if there is none, its folder is not. ``":memory:"`` is for tests: what it holds
                is gone when it is closed. A ``~`` is not expanded, and refused.
            durability: ``"full"``: what was committed survives that the power is cut. ``"normal"``: it survives that
                the process is killed, but the last commits before a power cut may be lost; a commit takes less time.
            create: Whether the file is made if there is none.
            horizon: How many seconds before it is due a job is loaded into memory.
            history: How much is kept of what has ended; by default `Keep` as it is.
            keep_values: Whether the values that runs return are kept.
            busy_timeout: How long an opening waits for another process to close the file, in seconds.
            offload: Where the work is done: ``"thread"``, or ``"inline"`` in the task that calls; by default in a
                thread, and in virtual time inline.
        """
        plain, _ = guard.call(lambda: os.fspath(path))  # The path may be an object of a user's class.
        if not isinstance(plain, str) or not plain.strip() or "\0" in plain:
            message = f"path must name a file, such as 'jobs.db', not {guard.shown(path)}"
            raise ConfigurationError(message, parameter="path")
        if plain.startswith("~"):
            message = f"path is {plain!r}, and nothing expands the ~: write Path({plain!r}).expanduser()"
            raise ConfigurationError(message, parameter="path")
        if guard.call(os.fsencode, plain)[0] is None:
            message = f"path must be a text that can name a file here, not {plain!r}"
            raise ConfigurationError(message, parameter="path")
        if not guard.is_a(durability, str) or durability not in _DURABILITY:
            message = f"durability must be 'full' or 'normal', not {guard.shown(durability)}"
            raise ConfigurationError(message, parameter="durability")
        if offload is not None and (not guard.is_a(offload, str) or offload not in {THREAD, INLINE}):
            message = f"offload must be 'thread', 'inline' or None, not {guard.shown(offload)}"
            raise ConfigurationError(message, parameter="offload")
        keep = (
            Keep()
            if history is None
            else _validation.instance("history", history, Keep, "a Keep, such as Keep(per_job=10)")
        )
        self._path = plain
        self._horizon = _validation.duration_or_inf("horizon", horizon) / 1_000_000
        self._inline = None if offload is None else offload == INLINE
        self._offload: Offload | None = None
        settings = Settings(
            path=plain,
            create=_validation.flag("create", create),
            synchronous=_DURABILITY[durability],
            busy_timeout=_validation.duration("busy_timeout", busy_timeout) / 1_000_000,
            keep=keep,
            age_us=keep.age_us,
            keep_values=_validation.flag("keep_values", keep_values),
        )
        self._session = Session(settings)

    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    @property
    def path(self) -> str:
        """The file, as it was given."""
        return self._path

    @property
    def horizon(self) -> float:
        """How many seconds before it is due a job is loaded into memory."""
        return self._horizon

    async def _run(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def with_session(session: Session) -> T:
            return work(session, *args, **kwargs)

        offload = self._offload or Offload(inline=True)  # it is not open, which the session says
        return await offload.call(self._session.run, with_session)

    async def open(self, node: StoreNode, /) -> Opened:
        """Open the file, or make it; nobody owns any job afterwards.

        Raises:
            StoreInUse: another scheduler has it open.
            StoreNotFound: there is none, and it was not to be made; or there is no such folder.
            StoreCorrupted: it is no store, or it is damaged.
            StoreTooNew: a later version of the library wrote it.
            StoreReadOnly: it cannot be written.
            StoreUnavailable: the disk does not answer, or is full.
        """
        offload = Offload(inline=node.inline if self._inline is None else self._inline)
        opening = Opening(self._session, node)
        try:
            opened = await offload.call(opening.open)
        except BaseException:
            opening.abandon()  # A native cancellation on asyncio leaves the thread behind, which opens the file.
            raise
        self._offload = offload
        return opened

    async def close(self, *, clean: bool) -> None:
        """Close the file.

        Raises:
            StoreUnavailable: it was moved or deleted meanwhile: what was committed may not be found again.
        """
        offload, self._offload = self._offload, None
        if offload is not None:
            try:
                await offload.call(self._session.close, clean=clean)
            except BaseException:
                # A native cancellation on asyncio may keep the thread from beginning with it. Twice does no harm.
                offload.call_here(self._session.close, clean=clean)
                raise

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        """Commit the changes, in order, in one transaction, and return those that were refused.

        Raises:
            StoreUnavailable: the disk is full or does not answer, or the file was moved or deleted.
            StoreCorrupted: the file is damaged.
        """
        return await self._run(_writes.apply, batch)

    async def complete(self, completion: Completion, /) -> bool:
        """Do work in a transaction that completes its run; return whether that is committed."""
        return await self._run(_transaction.complete, completion)

    async def transaction(
        self, work: "Callable[Concatenate[SQLiteTransaction, P], T]", /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do ``work(transaction, *args, **kwargs)`` in one transaction, and return what it returned.

        It reads and writes tables of yours in the file, which only the scheduler can open while it is open, see
        `SQLiteTransaction`. If it raises, nothing is committed. All other commits wait for it. To end a run together
        with what it writes, a job calls `RunContext.complete_with`.

        Raises:
            StoreError: the file is not open.
            StoreUnavailable: the disk is full or does not answer, or the file was moved or deleted.
        """

        def with_arguments(transaction: SQLiteTransaction) -> T:
            return work(transaction, *args, **kwargs)

        value, error = await self._run(_transaction.transact, with_arguments)
        if error is not None:
            raise error
        made: T = value
        return made

    async def claim(self, claim: Claim, /) -> Claimed:
        """Give jobs that nobody owns to the scheduler."""
        return await self._run(_reads.claim, claim)

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        """Return jobs without their runs, in the order of submission."""
        return await self._run(_reads.read_jobs, query)

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        """Return runs that have ended, the newest first."""
        return await self._run(_reads.read_runs, query)

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        """Return the jobs that nobody owns and that have a ``wake_at``, the earliest first, with their open runs."""
        return await self._run(_reads.read_upcoming, limit)

    async def count(self) -> StoreCounts:
        """Return how much the store holds."""
        return await self._run(_reads.count)
