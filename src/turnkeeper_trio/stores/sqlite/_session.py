"""A store's file while it is open: its connection, and the counters of the last commit."""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar, final

from turnkeeper_trio._model.stored import Opened, Refusal, StoreNode
from turnkeeper_trio.errors import StoreError, StoreReadOnly, StoreUnavailable
from turnkeeper_trio.stores._keep import Keep
from turnkeeper_trio.stores.sqlite import _file

T = TypeVar("T")
Tally = dict[str, int]
"""Numbers of jobs by state, of runs that ended by outcome, and of their rows: ``jobs active``, ``outcomes failed``."""

ROWS: Final = "runs ended"
"""The name of the number of rows of runs that have ended."""

NO_BATCH: Final = -1


class Settings(NamedTuple):
    """What a store was made with."""

    path: str
    create: bool
    synchronous: str
    busy_timeout: float
    keep: Keep
    age_us: int | None
    keep_values: bool


@final
@dataclass(slots=True)
class Counters:
    """What a commit counts on: the last numbers that were given out, and the last batch."""

    batch: int = NO_BATCH
    refusals: Sequence[Refusal] = ()
    last_seq: int = 0
    last_job: int = 0
    last_ended: int = 0
    high: int = 0
    """The latest ``finished_at`` that a run ever had; each row of a run that ended holds it as it was then."""


def add(tally: Tally, name: str, number: int) -> None:
    """Add to a number that is counted."""
    tally[name] = tally.get(name, 0) + number


@final
@dataclass(slots=True)
class Sweep:
    """How far records were looked through for those to remove."""

    position: int = 0
    turned_at: int = 0
    next_at: int = 0


@final
@dataclass(slots=True, eq=False)
class Session:
    """An open file. Its methods are called in one thread at a time."""

    settings: Settings
    connection: sqlite3.Connection | None = None
    identity: tuple[int, int] | None = None
    """Device and inode of the file; ``None`` while it is closed, and for one that is only in memory."""
    node_id: bytes = b""
    unsettled: list[int] = field(default_factory=list[int])
    """The jobs of a claim that failed, of which nobody knows."""
    stale: bool = False
    """Whether the counters have to be read again, because something failed since."""
    counters: Counters = field(default_factory=Counters)
    tally: Tally = field(default_factory=dict[str, int])
    sweep: Sweep = field(default_factory=Sweep)
    opening: threading.Lock = field(default_factory=threading.Lock)
    """Held while the file is being opened."""

    def open(self, node: StoreNode) -> Opened:
        """Open the file for one scheduler: nobody owns any job afterwards."""
        if self.connection is not None or self.identity is not None:
            raise _file.in_use(self.settings.path)
        self.settings = self.settings._replace(path=_file.absolute(self.settings.path))
        warning = self._connect(create=self.settings.create)
        self.node_id, self.stale = node.node_id.bytes, False
        connection = self.connected()
        path = self.settings.path

        def begin() -> Opened:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE job SET owned = 0 WHERE owned = 1")
            connection.execute(
                "UPDATE node SET batch = ?, refusals = '[]', clean = 0, node_id = ?, host = ?, pid = ?, version = ?, "
                "opened_at = ?",
                (NO_BATCH, self.node_id, node.host, node.pid, node.version, node.at),
            )
            connection.execute("COMMIT")
            self.sweep, self.unsettled = Sweep(), []
            self.load()
            settings = dict(connection.execute("SELECT name, value FROM setting"))
            return Opened(last_seq=self.counters.last_seq, settings=settings, warnings=(warning,) if warning else ())

        try:
            opened = self._carried(begin)
        except BaseException:
            self._disconnect()
            self.identity = None
            raise
        if path != _file.MEMORY:
            _file.write_owner(path, host=node.host, pid=node.pid)
        return opened

    def _connect(self, *, create: bool) -> str:
        path = self.settings.path
        self.connection, warning = _file.open_file(
            path, create=create, busy_timeout=self.settings.busy_timeout, synchronous=self.settings.synchronous
        )
        if path != _file.MEMORY:
            self.identity = _identity(path)
        return warning

    def load(self) -> None:
        """Read the counters of the last commit."""
        assert self.connection is not None
        execute = self.connection.execute
        ((node_id, batch, refusals, tally, last_seq, last_ended, high),) = execute(
            "SELECT node_id, batch, refusals, tally, last_seq, last_ended, high FROM node"
        )
        if self.node_id and node_id != self.node_id:  # while it had to be opened again, somebody else had it open
            self._disconnect()
            raise _file.in_use(self.settings.path)
        ((last_job,),) = execute("SELECT coalesce(max(job), 0) FROM job")
        refused = tuple(Refusal(change_id, reason) for change_id, reason in json.loads(refusals))
        self.counters = Counters(batch, refused, last_seq, last_job, last_ended, high)
        self.tally = json.loads(tally)
        self.stale = False

    def connected(self) -> sqlite3.Connection:
        """Return the connection; after an error of the disk a new one, which knows what was committed.

        It is never gone on with a connection after that: what the disk did not take may seem to be there. What is read
        back is therefore written to the file itself first.
        """
        if self.connection is None:
            if self.identity is None:
                raise StoreError(f"{self.settings.path} is not open", path=self.settings.path)
            self.check_place()
            try:
                self._connect(create=False)
            except StoreReadOnly as error:  # as a file system is made when its disk fails
                raise StoreUnavailable(str(error), path=error.path) from error
            assert self.connection is not None
            self._carried(self.connection.execute, "PRAGMA wal_checkpoint(TRUNCATE)")
        if self.stale:
            self._carried(self.load)
        return self.connection

    def check_place(self) -> None:
        """Raise if the file is not where it was when it was opened.

        Raises:
            StoreUnavailable: it was moved or deleted, and perhaps another put in its place.
        """
        path = self.settings.path
        if path != _file.MEMORY and _identity(path) != self.identity:
            message = f"{path} was moved or deleted while it was open; put it back, or end this process"
            raise StoreUnavailable(message, path=path)

    def run(self, work: Callable[["Session"], T]) -> T:
        """Return what ``work`` returns; an error of SQLite is rolled back and translated."""
        self.connected()
        return self._carried(work, self)

    def _carried(self, work: Callable[..., T], *args: object) -> T:
        connection = self.connection
        assert connection is not None
        try:
            return work(*args)
        except BaseException as error:
            self.stale = True
            if isinstance(error, sqlite3.Error) and _file.primary_code(error) == sqlite3.SQLITE_IOERR:
                self._disconnect()
            elif self.connection is not None and connection.in_transaction:
                try:
                    connection.execute("ROLLBACK")
                except sqlite3.Error:
                    self._disconnect()
            if isinstance(error, sqlite3.Error):
                raise _file.translated(error, self.settings.path) from error  # noqa: ASYNC104  (it is no cancellation)
            raise

    def _disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self, *, clean: bool) -> None:
        """Close the file. What was committed is in it, whatever fails here.

        Raises:
            StoreUnavailable: it was moved or deleted, so that nothing that was committed may be found.
        """
        if self.connection is not None:
            with suppress(sqlite3.Error):
                self.connection.execute("UPDATE node SET clean = ?", (int(clean),))
        self._disconnect()
        if self.identity is not None:
            try:
                self.check_place()
                with suppress(OSError):
                    _file.owner_file(self.settings.path).unlink(missing_ok=True)
            finally:
                self.identity = None


@final
class Opening:
    """One opening of a file in a thread, whose caller may go away meanwhile: then the thread closes the file again."""

    def __init__(self, session: Session, node: StoreNode) -> None:
        self._session = session
        self._node = node
        self._lock = threading.Lock()
        self._opened = False
        self._abandoned = False

    def open(self) -> Opened:
        """Open the file, after another opening of it that was abandoned has ended."""
        with self._session.opening:
            if self._abandoned:  # while it waited: nobody hears this
                raise StoreError("it is not wanted any more", path=self._session.settings.path)
            opened = self._session.open(self._node)
            with self._lock:
                self._opened = not self._abandoned
            if self._abandoned:
                self._session.close(clean=False)
        return opened

    def abandon(self) -> None:
        """Close the file, now or when it has been opened, because nobody else will: its caller was cancelled."""
        with self._lock:
            self._abandoned = True
            opened, self._opened = self._opened, False
        if opened:
            self._session.close(clean=False)


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)  # noqa: PTH116  (each commit asks: a Path would take longer than the question)
        return found.st_dev, found.st_ino
    return None
