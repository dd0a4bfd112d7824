"""Transactions in which work of a user's reads and writes tables of its own, in the file of the store.

The file has one connection, so this is the only way to it while a scheduler has it open. The work may do what it likes
with its own tables, and reads those of the store. It neither ends the transaction nor changes what is the store's:
SQLite asks `_judge` about each statement.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import CoroutineType, GeneratorType
from typing import Any, Final, NoReturn, ParamSpec, TypeAlias, TypeGuard, TypeVar, final
from weakref import WeakSet

from turnkeeper_trio._model.kept import value_text
from turnkeeper_trio._model.stored import Completion, RunState
from turnkeeper_trio.errors import StoreError
from turnkeeper_trio.stores.sqlite import _file
from turnkeeper_trio.stores.sqlite._schema import NAMES
from turnkeeper_trio.stores.sqlite._session import Session
from turnkeeper_trio.stores.sqlite._writes import NOT_KEPT

P = ParamSpec("P")
T = TypeVar("T")
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

_REFUSED: Final = frozenset(
    {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
)
"""What concerns the connection, or ends the transaction."""

_WRITES: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_CHANGES: Final = frozenset(
    {
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
    }
)
"""What changes a table, or for this connection hides it behind another of the same name."""

_OF_THE_DISK: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT}
)
"""What is no fault of the work, if a statement of its transaction raised it: the work may have such an error of another
file, which it opened itself. All else is its fault: nobody else locks the file, but a cursor of it may lock a table.
"""

_FIND: Final = """SELECT r.job, r.state, r.attempts FROM open_run r JOIN job j ON j.job = r.job
    WHERE j.id = ? AND r.entry = ?"""
_COMPLETE: Final = "UPDATE open_run SET state = ?, value = ? WHERE job = ? AND entry = ?"


def _judge(action: int, first: str | None, second: str | None, _file: str | None, _trigger: str | None) -> int:
    """Return whether a part of a statement is allowed: nothing of the store's is changed."""
    refused = action in _REFUSED or (
        (action in _WRITES and _is_of_the_store(first))
        or (action in _CHANGES and (_is_of_the_store(first) or _is_of_the_store(second)))
    )
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _is_of_the_store(name: str | None) -> bool:
    """Return whether a table of the store has a name. SQLite tells a new one as it is written, in whatever case."""
    return name is not None and name.lower() in NAMES


@final
class _Failures:
    """The errors of SQLite that the statements of one transaction raised."""

    __slots__ = ("_errors",)

    def __init__(self) -> None:
        self._errors: list[sqlite3.Error] = []

    def __contains__(self, error: BaseException) -> bool:
        return any(error is each for each in self._errors)

    def noted(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a method of SQLite returns, and note what it raises."""
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            self._errors.append(error)
            raise


@final
class _Cursor(sqlite3.Cursor):
    """A cursor that does not give its connection away: whoever had that could close it, or change how rows are read."""

    failures: _Failures

    @property
    def connection(self) -> NoReturn:
        message = "a cursor of a transaction does not give its connection away: use the transaction"
        raise sqlite3.NotSupportedError(message)

    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":
        return self.failures.noted(super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> "_Cursor":
        return self.failures.noted(super().executemany, sql, parameters)

    def __next__(self) -> Any:
        return self.failures.noted(super().__next__)

    def fetchone(self) -> Any:
        return self.failures.noted(super().fetchone)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return self.failures.noted(super().fetchmany, self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        return self.failures.noted(super().fetchall)


@final
class SQLiteTransaction:
    """Reads and writes tables of yours in the file of a store, until the work that got it returns.

    `RunContext.complete_with` and `SQLiteStore.transaction` give it to the work. It is committed when the work returns,
    and rolled back if the work raises. The tables of the store can be read, but not changed; ``COMMIT``, ``ROLLBACK``,
    ``ATTACH`` and ``PRAGMA`` are refused, and savepoints are not. Cursors are closed with it: fetch the rows before.
    They do not give their connection away.
    """

    __slots__ = ("_connection", "_cursors", "_failures")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        self._failures = _Failures()

    def execute(self, sql: str, parameters: Parameters = (), /) -> sqlite3.Cursor:
        """Execute one statement, as `sqlite3.Connection.execute` does.

        Raises:
            sqlite3.Error: the statement failed, or is refused.
            StoreError: the transaction is over.
        """
        return self._cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> sqlite3.Cursor:
        """Execute one statement for each of several parameters, as `sqlite3.Connection.executemany` does.

        Raises:
            sqlite3.Error: the statement failed, or is refused.
            StoreError: the transaction is over.
        """
        return self._cursor().executemany(sql, parameters)

    def _cursor(self) -> _Cursor:
        if self._connection is None or not self._connection.in_transaction:
            raise StoreError(OVER)
        cursor = self._connection.cursor(_Cursor)
        cursor.failures = self._failures
        self._cursors.add(cursor)
        return cursor

    def raised(self, error: BaseException) -> TypeGuard[sqlite3.Error]:
        """Return whether a statement of this transaction raised an error."""
        return error in self._failures

    def end(self) -> None:
        """Refuse whatever comes after the work.

        Its cursors are closed: one that still has rows to read would keep the file locked after it was closed.
        """
        self._connection = None
        for cursor in tuple(self._cursors):
            cursor.close()


OVER: Final = "the transaction is over: its work has returned, or a statement of it has rolled it back"


def do(connection: sqlite3.Connection, work: Callable[[Any], Any]) -> tuple[Any, BaseException | None]:
    """Do work in the transaction that the caller began; return what it returned, or what it raised.

    An error of the disk or of the file is raised: it is no fault of the work.
    """
    transaction = SQLiteTransaction(connection)
    value: Any = None
    connection.set_authorizer(_judge)
    try:
        value = work(transaction)
        if not connection.in_transaction:  # what the work did is undone, however it went on
            return None, StoreError(OVER)
        if type(value) in {CoroutineType, GeneratorType}:  # it has done nothing
            value.close()
            kind = "coroutine" if type(value) is CoroutineType else "generator"
            return None, TypeError(f"the work of a transaction is a plain function: it returned a {kind}")
    except BaseException as error:  # noqa: ASYNC103  (whoever called it raises it, in the task of the caller)
        if transaction.raised(error) and _file.primary_code(error) in _OF_THE_DISK:
            raise
        return None, error  # noqa: ASYNC104  (see above)
    finally:
        transaction.end()
        connection.set_authorizer(None)
    return value, None


def transact(session: Session, work: Callable[[Any], Any]) -> tuple[Any, BaseException | None]:
    """Do work in a transaction of its own; return what it returned, or what it raised."""
    session.check_place()
    connection = session.connected()
    connection.execute("BEGIN IMMEDIATE")
    value, error = do(connection, work)
    _end(connection, commit=error is None)
    return value, error


def complete(session: Session, completion: Completion) -> bool:
    """Do work in a transaction that completes its run; return whether it was committed, now or before."""
    session.check_place()
    connection = session.connected()
    connection.execute("BEGIN IMMEDIATE")
    place = (completion.job_id.bytes, completion.entry)
    job, state, attempts = connection.execute(_FIND, place).fetchone() or (0, "", 0)
    executes = attempts == completion.attempt and state == RunState.STARTED
    done = attempts == completion.attempt and state == RunState.COMPLETED
    if executes:
        completion.value, completion.error = do(connection, completion.work)
        done = completion.error is None
        if done:
            value = value_text(completion.value)
            value = NOT_KEPT if value is not None and not session.settings.keep_values else value
            connection.execute(_COMPLETE, (RunState.COMPLETED.value, value, job, completion.entry))
    _end(connection, commit=executes and done)
    return done


def _end(connection: sqlite3.Connection, *, commit: bool) -> None:
    if commit:
        connection.execute("COMMIT")
    elif connection.in_transaction:  # a statement of the work may have rolled it back
        connection.execute("ROLLBACK")
