"""Opening a store's file: who may, what it must be, and which error says what is wrong with it.

The file is read and written through SQLite only. Had this process another connection to it, a plain ``open`` and
``close`` of the file would take away the locks of that connection.
"""

import errno
import json
import os
import socket
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from turnkeeper_trio.errors import (
    StoreCorrupted,
    StoreError,
    StoreInUse,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from turnkeeper_trio.stores.sqlite import _schema

MEMORY: Final = ":memory:"

_AWAY: Final = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT,
})  # fmt: skip
"""What may pass: the disk is full, or does not answer."""

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


def primary_code(error: sqlite3.Error) -> int:
    """Return the primary error code of SQLite, without what it says in detail; 0 if the error has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translated(error: sqlite3.Error, path: str, *, opening: bool = False) -> Exception:
    """Return what to raise from an error of SQLite; the error itself, if it is no fault of the file or the disk."""
    code = primary_code(error)
    if code in _DAMAGED:
        why = "is not a database" if code == sqlite3.SQLITE_NOTADB else "is damaged"
        message = (
            f"{path} {why} ({error}); it was left as it is: name another file, or restore a copy; the damaged file, "
            f"together with its -wal, may still be read by `sqlite3 {path} .recover`"
        )
        return StoreCorrupted(message, path=path)
    if opening and code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return in_use(path)
    if opening and code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN}:
        return _read_only(path)
    return StoreUnavailable(f"{path}: {error}", path=path) if code in _AWAY else error


def absolute(path: str) -> str:
    """Return a path that names the same file if the process changes its folder, and without links, as SQLite has it.

    What is in the ``-wal`` lies beside the file itself, and not beside a link to it.
    """
    if path == MEMORY:
        return path
    real = os.path.realpath(path)
    if os.path.islink(real):  # noqa: PTH114  (that of `Path` raises where a name is too long)
        raise StoreNotFound(f"{path} cannot be found: its links lead to each other", path=path)
    return real


def _read_only(path: str) -> StoreReadOnly:
    message = f"{path} cannot be written by this process: it must be able to write the file and to make files beside it"
    return StoreReadOnly(message, path=path)


def owner_file(path: str) -> Path:
    """Return the path of the file that says who has a store open. It is only read for messages, and locks nothing."""
    return Path(f"{path}.owner")


def write_owner(path: str, *, host: str, pid: int) -> None:
    """Say who has the store open."""
    with suppress(OSError):
        owner_file(path).write_text(json.dumps({"host": host, "pid": pid}), "utf-8")


def in_use(path: str) -> StoreInUse:
    """Return the error that says who has the store open, as far as that is known."""
    owner: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        owner = dict(json.loads(owner_file(path).read_text("utf-8")))
    pid, host = owner.get("pid"), owner.get("host")
    who = "another scheduler or process"
    if isinstance(pid, int):
        mine = host == socket.gethostname() and pid == os.getpid()
        who = "this process" if mine else f"process {pid} on {host}"
    message = f"{path} is open in {who}: a store is for one scheduler at a time; close that one, or name another file"
    return StoreInUse(message, path=path, pid=pid, host=host)


def prepare(path: str, *, create: bool) -> None:
    """Check what can be said of a file before SQLite looks at it. SQLite would make it anew in some of these cases."""
    try:
        _prepare(path, create=create)
    except PermissionError as error:
        raise _read_only(path) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            message = f"{path}-journal cannot be the name of a file: {error.strerror}; take a shorter one"
            raise StoreNotFound(message, path=path) from error
        raise StoreUnavailable(f"{path}: {error.strerror}", path=path) from error


def _prepare(path: str, *, create: bool) -> None:
    file = Path(path)
    if not file.parent.is_dir():
        raise StoreNotFound(f"{path}: there is no folder {file.parent}; make it, or name another file", path=path)
    if file.is_dir():
        raise StoreNotFound(f"{path} is a folder; name a file in it", path=path)
    if file.exists() and not file.is_file():
        raise StoreNotFound(f"{path} is no file, but a device, a pipe or a socket; name a file", path=path)
    size = file.stat().st_size if file.exists() else None
    _size(f"{path}-journal")  # The longest name of a file that SQLite makes beside it: may a name be as long as that?
    if not size and _size(f"{path}-wal"):
        what = "is missing" if size is None else "is empty"
        message = (
            f"{path} {what}, but {path}-wal has content of it: was it moved without that? Put it back beside it; or "
            f"move the -wal away, to begin with no jobs"
        )
        raise StoreCorrupted(message, path=path)
    if size is None and not create:
        raise StoreNotFound(f"there is no {path}, and it is not to be made: look at the path", path=path)
    if size == 0 and not create:
        raise StoreCorrupted(f"{path} is empty, and is not to be made a store; restore a copy", path=path)
    if size == 1:  # SQLite takes that for an empty file, and would write over it
        message = f"{path} is not a database; it was left as it is: name another file, or restore a copy"
        raise StoreCorrupted(message, path=path)
    if not os.access(file.parent, os.W_OK) or not (size is None or os.access(file, os.W_OK)):
        raise _read_only(path)


def _size(path: str) -> int:
    with suppress(FileNotFoundError):
        return Path(path).stat().st_size
    return 0


def _connect(path: str, *, busy_timeout: float) -> sqlite3.Connection:
    uri = path != MEMORY
    name = f"{Path(path).absolute().as_uri()}?mode=rwc" if uri else path
    return sqlite3.connect(
        name, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256, uri=uri
    )


def _configure(connection: sqlite3.Connection, synchronous: str) -> None:
    """Have the connection exclude all others from its next statement on. Some of these statements read the file."""
    for pragma in (
        "locking_mode = EXCLUSIVE", f"synchronous = {synchronous}", "fullfsync = ON", "checkpoint_fullfsync = ON",
        "cache_size = -16000", "temp_store = MEMORY", "cell_size_check = ON", "trusted_schema = OFF",
        "foreign_keys = OFF",  # on by default in some builds: a table of a user's could then hold rows of the store
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def identify(connection: sqlite3.Connection, path: str, *, create: bool, migrate: bool) -> str:
    """Make the tables in a new file, bring those of an earlier version up to date, and refuse everything else.

    Returns a warning, or an empty text.
    """
    connection.execute("BEGIN EXCLUSIVE")
    ((application,),) = connection.execute("PRAGMA application_id")
    ((found,),) = connection.execute("PRAGMA user_version")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if not (application or found or tables) and create:
        _schema.create(connection)
        connection.execute("COMMIT")
        return ""
    connection.execute("COMMIT")
    if application != _schema.APPLICATION_ID:
        raise StoreCorrupted(f"{path} is a database, but no store of jobs; name another file", path=path)
    if found > _schema.SCHEMA:
        message = (
            f"{path} was written by a later version: its schema is {found}, this version knows {_schema.SCHEMA}; "
            f"install that version again, or restore a copy from before"
        )
        raise StoreTooNew(message, path=path, found=found, known=_schema.SCHEMA)
    if found == _schema.SCHEMA:
        return ""
    if found not in _schema.MIGRATIONS:
        raise StoreCorrupted(f"{path}: there never was a schema {found}; restore a copy", path=path)
    if not migrate:
        raise StoreError(f"{path} has the schema {found}: a scheduler that opens it brings it up to date", path=path)
    copy = _schema.migrate(connection, Path(path), found)
    return f"{path} was brought from schema {found} to {_schema.SCHEMA}; {copy} is a copy of it as it was"


def open_file(
    path: str, *, create: bool, busy_timeout: float, synchronous: str, migrate: bool = True
) -> tuple[sqlite3.Connection, str]:
    """Return a connection to a store that nobody else has open, and a warning or an empty text."""
    if sqlite3.sqlite_version_info < (3, 37):
        raise StoreError(f"SQLite 3.37 or later is needed, this is {sqlite3.sqlite_version}", path=path)
    if path != MEMORY:
        prepare(path, create=create)
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(path, busy_timeout=busy_timeout)
        _configure(connection, synchronous)
        warning = identify(connection, path, create=create, migrate=migrate)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise translated(error, path, opening=True) from error  # noqa: ASYNC104  (it is no cancellation)
        raise
    return connection, warning
