"""Opening a file: each thing that can be wrong with it has its error, and the file is left as it is."""

import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from turnkeeper_trio.errors import (
    ConfigurationError,
    StoreCorrupted,
    StoreError,
    StoreInUse,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from turnkeeper_trio.stores import Keep, MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore, _file, _schema
from turnkeeper_trio.testing._store_samples import NOW, StoreDriver, ended, job_id

pytestmark = pytest.mark.anyio


def store(path: str | Path, **options: Any) -> SQLiteStore:
    return SQLiteStore(path, **{"busy_timeout": 0, "offload": "inline", "durability": "normal"} | options)


async def opened(path: str | Path, **options: Any) -> StoreDriver:
    driver = StoreDriver(store(path, **options))
    await driver.open()
    return driver


async def made(path: Path, jobs: int = 30) -> None:
    """Make a closed store with some jobs."""
    driver = await opened(path)
    await driver.apply(*(driver.new(number, wake_at=NOW, runs=(ended(number, 1),)) for number in range(1, jobs + 1)))
    await driver.store.close(clean=True)


async def refused(path: str | Path, kind: type[StoreError], match: str, **options: Any) -> StoreError:
    """Open a file that cannot be opened: it is not changed by that, and a second time says the same."""
    files = Path(path).parent
    before = contents(files)
    for _ in range(2):
        with pytest.raises(kind, match=match) as caught:
            await opened(path, **options)
        assert caught.value.path == os.fspath(path)
        assert contents(files) == before
    return caught.value


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()} if folder.is_dir() else {}


async def test_a_file_is_made_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    driver = await opened(path)
    assert repr(driver.store) == f"SQLiteStore({str(path)!r})"
    assert (driver.store.path, driver.store.horizon) == (str(path), 60.0)  # type: ignore[attr-defined]

    assert json.loads((tmp_path / "jobs.db.owner").read_text()) == {"host": "test", "pid": 1}
    await driver.apply(driver.new(1, wake_at=NOW))
    await driver.store.close(clean=True)
    await driver.store.close(clean=True)
    assert list(contents(tmp_path)) == ["jobs.db"]
    driver = await opened(path, create=False)
    assert list(driver.opened.warnings) == []
    assert await driver.due() == [1]
    await driver.store.close(clean=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_memory_is_for_tests(folder: Path) -> None:
    driver = await opened(":memory:")
    await driver.apply(driver.new(1))
    await driver.reopen()
    assert list(await driver.store.apply(driver.batch(driver.new(1)))) == []
    await driver.store.close(clean=True)
    assert contents(folder) == {}


async def test_a_name_is_a_name_and_no_address(folder: Path) -> None:
    for name in ("a b?mode=memory#%41.db", "file:x.db"):
        driver = await opened(name)
        await driver.store.close(clean=True)
        assert name in contents(folder)


class NoPath:
    def __fspath__(self) -> str:
        raise ValueError("no path")


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"path": 3}, "path"), ({"path": " "}, "path"), ({"path": b"jobs.db"}, "path"), ({"path": "a\0b"}, "path"),
        ({"path": NoPath()}, "path"), ({"path": "~/jobs.db"}, "path"), ({"path": "a\ud800b"}, "path"),
        ({"durability": "off"}, "durability"), ({"durability": ["full"]}, "durability"), ({"create": 1}, "create"),
        ({"horizon": -1}, "horizon"), ({"history": 100}, "history"), ({"keep_values": None}, "keep_values"),
        ({"busy_timeout": "5"}, "busy_timeout"),
        ({"offload": "process"}, "offload"), ({"offload": []}, "offload"),
    ],
)  # fmt: skip
async def test_options_are_checked_at_the_call(options: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ConfigurationError, match=parameter) as caught:
        SQLiteStore(**{"path": "jobs.db"} | options)
    assert caught.value.parameter == parameter


async def test_the_options_of_what_is_kept_are_checked() -> None:
    for name, value in (("per_job", -1), ("per_job", 1.5), ("total", "many"), ("age", -1), ("age", "1 day")):
        with pytest.raises(ConfigurationError, match=name) as caught:
            Keep(**{name: value})
        assert caught.value.parameter == name
    assert (Keep().age_us, Keep(age=2).age_us) == (None, 2_000_000)
    assert SQLiteStore("jobs.db", horizon=float("inf")).horizon > 1e9
    with pytest.raises(ConfigurationError, match="horizon"):
        MemoryStore(horizon=-1)
    assert MemoryStore(horizon=3).horizon == 3


async def test_what_is_not_open_says_so(tmp_path: Path) -> None:
    for each in (store(tmp_path / "jobs.db"), store(":memory:"), MemoryStore()):
        with pytest.raises(StoreError, match="is not open"):
            await each.count()
        await each.close(clean=True)
        assert not (tmp_path / "jobs.db").exists()


async def test_there_is_no_such_file(tmp_path: Path) -> None:
    await refused(tmp_path / "jobs.db", StoreNotFound, "there is no .*jobs.db, and it is not to be made", create=False)


async def test_there_is_no_such_folder(tmp_path: Path) -> None:
    await refused(tmp_path / "missing" / "jobs.db", StoreNotFound, "there is no folder .*missing; make it")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 250, "a/" * 3000 + "x"], ids=["file", "journal", "path"])
async def test_its_name_is_too_long(tmp_path: Path, name: str) -> None:
    """Regression: this was a `StoreError` that said nothing but that the store had failed."""
    with pytest.raises(StoreNotFound, match="File name too long; take a shorter one"):
        await opened(tmp_path / name)
    assert contents(tmp_path) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
async def test_it_is_no_file(tmp_path: Path) -> None:
    """Regression: this was an error of the disk, which the scheduler would have waited for."""
    os.mkfifo(tmp_path / "pipe")
    await refused(tmp_path / "pipe", StoreNotFound, "is no file, but a device, a pipe or a socket")


async def test_the_disk_does_not_say_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(number: int) -> Any:
        def stat(*_: object, **__: object) -> Any:
            raise OSError(number, os.strerror(number))

        return stat

    for number, kind in ((errno.EIO, StoreUnavailable), (errno.EACCES, StoreReadOnly)):
        monkeypatch.setattr(_file, "_prepare", fails(number))
        await refused(tmp_path / "jobs.db", kind, os.strerror(number) if number == errno.EIO else "cannot be written")


async def test_links_lead_to_the_file_itself(tmp_path: Path) -> None:
    """Regression: its ``-wal`` was looked for beside the link, so that a file that was gone would have been made anew.

    The same file, opened by another name, did not say who has it open.
    """
    there, here, loop = tmp_path / "there", tmp_path / "here", tmp_path / "loop"
    there.mkdir()
    here.mkdir()
    link, file = here / "jobs.db", there / "jobs.db"
    link.symlink_to(file)
    loop.symlink_to(loop)
    driver = await opened(link)
    assert sorted(contents(there)) == ["jobs.db", "jobs.db-wal", "jobs.db.owner"]
    with pytest.raises(StoreInUse) as caught:
        await opened(file)
    assert caught.value.pid == 1
    await driver.store.close(clean=True)
    (there / "jobs.db-wal").write_bytes(b"something")
    file.unlink()
    with pytest.raises(StoreCorrupted, match="is missing, but"):
        await opened(link)
    assert contents(there) == {"jobs.db-wal": b"something"}
    with pytest.raises(StoreNotFound, match="cannot be found"):
        await opened(loop)


async def test_it_is_a_folder(tmp_path: Path) -> None:
    await refused(tmp_path, StoreNotFound, "is a folder; name a file in it")


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever it is called" * 40, b"x", b"SQLite format 3\0" * 90]
)
async def test_it_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "jobs.db").write_bytes(content)
    error = await refused(tmp_path / "jobs.db", StoreCorrupted, "it was left as it is: name another file, or restore")
    assert isinstance(error.__cause__, sqlite3.Error) is (len(content) > 1)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE users(name)", "PRAGMA user_version = 3", "PRAGMA application_id = 7"]
)
async def test_it_is_the_database_of_another_program(tmp_path: Path, statement: str) -> None:
    connection = sqlite3.connect(tmp_path / "jobs.db")
    connection.execute(statement)
    connection.close()
    await refused(tmp_path / "jobs.db", StoreCorrupted, "is a database, but no store of jobs; name another file")


async def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    """SQLite makes an empty file first: it is also what is left of a process that was killed at that moment."""
    path = tmp_path / "jobs.db"
    path.touch()
    await refused(path, StoreCorrupted, "is empty, and is not to be made a store; restore a copy", create=False)
    await made(path)
    driver = await opened(path, create=False)
    assert len(await driver.due()) == 30
    await driver.store.close(clean=True)


@pytest.mark.parametrize("left", ["empty", "missing"])
async def test_the_file_is_gone_and_its_wal_is_not(tmp_path: Path, left: str) -> None:
    """SQLite would remove the -wal, which has the last commits."""
    path = tmp_path / "jobs.db"
    path.with_name("jobs.db-wal").write_bytes(b"commits")
    if left == "empty":
        path.touch()
    await refused(path, StoreCorrupted, f"jobs.db is {left}, but .*jobs.db-wal has content of it: was it moved")


async def test_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    await made(path)
    content = path.read_bytes()
    for size in (4096, len(content) // 2, len(content) - 4096, 100, 2, 1):
        path.write_bytes(content[:size])
        await refused(path, StoreCorrupted, "it was left as it is")


async def test_a_page_is_damaged(tmp_path: Path) -> None:
    """What is not read at the opening is found when it is needed; nothing is written then."""
    path = tmp_path / "jobs.db"
    await made(path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    await refused(path, StoreCorrupted, "is damaged .*it was left as it is")

    path.unlink()
    await made(path)
    connection = sqlite3.connect(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'open_run'")
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    driver = await opened(path)
    with pytest.raises(StoreCorrupted, match="is damaged"):
        await driver.claim(until=NOW)
    with pytest.raises(StoreCorrupted, match="is damaged"):
        await driver.store.count()
    assert list(await driver.apply(driver.new(99))) == []
    await driver.store.close(clean=True)


async def test_a_later_version_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    await made(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    error = await refused(path, StoreTooNew, "its schema is 7, this version knows 1; install that version again")
    assert isinstance(error, StoreTooNew)
    assert (error.found, error.known) == (7, 1)


async def test_an_earlier_version_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied, and brought up to date in one transaction; or left as it is, if that fails."""
    path = tmp_path / "jobs.db"
    await made(path)
    monkeypatch.setattr(_schema, "SCHEMA", 3)
    await refused(path, StoreCorrupted, "there never was a schema 1")
    steps = {1: ("ALTER TABLE job ADD COLUMN colour TEXT",), 2: ("UPDATE job SET colour = 'red'", "SELECT nonsense")}
    monkeypatch.setattr(_schema, "MIGRATIONS", steps)
    before = path.read_bytes()
    with pytest.raises(sqlite3.OperationalError, match="nonsense"):
        await opened(path)
    copy = tmp_path / "jobs.db.schema-1"
    connection = sqlite3.connect(path)
    assert list(connection.execute("PRAGMA user_version")) == [(1,)]
    assert "colour" not in {row[1] for row in connection.execute("PRAGMA table_info(job)")}
    connection.close()
    assert copy.exists()
    assert len(before) == path.stat().st_size
    steps[2] = steps[2][:1]
    driver = await opened(path)
    (warning,) = driver.opened.warnings
    assert warning == f"{path} was brought from schema 1 to 3; {copy}-2 is a copy of it as it was"
    await driver.store.close(clean=True)
    connection = sqlite3.connect(path)
    assert list(connection.execute("SELECT DISTINCT colour FROM job")) == [("red",)]
    assert list(connection.execute("PRAGMA user_version")) == [(3,)]
    connection.close()
    shutil.copy(f"{copy}-2", tmp_path / "old.db")
    monkeypatch.setattr(_schema, "SCHEMA", 1)
    old = await opened(tmp_path / "old.db")
    assert len(await old.due()) == 30
    await old.store.close(clean=True)


async def test_another_scheduler_of_this_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    driver = await opened(path)
    owner = path.with_name("jobs.db.owner")
    owner.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
    error = await refused(path, StoreInUse, "is open in this process: a store is for one scheduler at a time")
    assert isinstance(error, StoreInUse)
    assert (error.pid, error.host) == (os.getpid(), socket.gethostname())
    owner.write_text("what?")
    error = await refused(path, StoreInUse, "is open in another scheduler or process")
    owner.unlink()
    error = await refused(path, StoreInUse, "is open in another scheduler or process")
    assert isinstance(error, StoreInUse)
    assert (error.pid, error.host) == (None, None)
    with pytest.raises(StoreInUse):
        await driver.store.open(None)  # type: ignore[arg-type]
    assert list(await driver.apply(driver.new(1))) == []
    await driver.store.close(clean=True)


CHILD = """
import sys
import anyio
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing._store_samples import StoreDriver

async def main():
    driver = StoreDriver(SQLiteStore(sys.argv[1], busy_timeout=0))
    await driver.open()
    print("open", flush=True)
    sys.stdin.readline()
    await driver.store.close(clean=True)

anyio.run(main)
"""


@pytest.mark.real_time
async def test_another_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with subprocess.Popen(  # noqa: ASYNC220, S603  (the test has nothing else to do)
        [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(StoreInUse, match="is open in process 1 on test") as caught:
            await opened(path)
        assert (caught.value.pid, caught.value.host) == (1, "test")
        child.stdin.write("\n")
        child.stdin.flush()
        driver = await opened(path, busy_timeout=60)
        await driver.store.close(clean=True)
    assert child.returncode == 0


@contextmanager
def as_nobody(tmp_path: Path) -> Iterator[None]:
    """Be a user who owns nothing, if this is root, who may write everything."""
    if os.getuid() != 0:
        yield
        return
    folders = [each for each in tmp_path.parents if each != Path("/") and not each.stat().st_mode & 0o010]
    modes = [(each, each.stat().st_mode) for each in (tmp_path, *folders)]
    for each, mode in modes:
        each.chmod(mode | 0o055)  # the group stays
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        for each, mode in modes:
            each.chmod(mode)


async def test_it_cannot_be_written(tmp_path: Path) -> None:
    """A file, or a folder, that the process may only read."""
    folder, file = tmp_path / "folder", tmp_path / "open" / "jobs.db"
    folder.mkdir()
    file.parent.mkdir()
    for path in (folder / "jobs.db", file):
        await made(path)
    folder.chmod(0o555)
    (folder / "jobs.db").chmod(0o666)
    file.chmod(0o444)
    file.parent.chmod(0o777)
    with as_nobody(tmp_path):
        for path in (folder / "jobs.db", folder / "new.db", file):
            await refused(path, StoreReadOnly, "cannot be written by this process: it must be able to write the file")
    folder.chmod(0o755)


async def test_errors_of_the_disk_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite says at an opening, however it comes about."""
    path = str(tmp_path / "jobs.db")

    def fails(code: int) -> Any:
        def connect(*_: object, **__: object) -> None:
            error = sqlite3.OperationalError("what SQLite says")
            error.sqlite_errorcode = code
            raise error

        return connect

    for code, kind in (
        (sqlite3.SQLITE_READONLY_ROLLBACK, StoreReadOnly), (sqlite3.SQLITE_CANTOPEN, StoreReadOnly),
        (sqlite3.SQLITE_BUSY_RECOVERY, StoreInUse), (sqlite3.SQLITE_FULL, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_READ, StoreUnavailable), (sqlite3.SQLITE_CORRUPT_INDEX, StoreCorrupted),
        (sqlite3.SQLITE_ERROR, sqlite3.OperationalError),
    ):  # fmt: skip
        monkeypatch.setattr(sqlite3, "connect", fails(code))
        with pytest.raises(kind):
            await opened(path)


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    await refused(tmp_path / "jobs.db", StoreError, "SQLite 3.37 or later is needed, this is")


async def test_an_opening_that_fails_late_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    await made(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE setting")
    connection.close()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await opened(path)
    connection = sqlite3.connect(path, timeout=0)
    connection.execute("CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
    connection.close()
    driver = await opened(path)
    assert len((await driver.claim(job_ids=(job_id(1),))).jobs) == 1
    await driver.store.close(clean=True)


def test_who_has_it_open_is_only_said(tmp_path: Path) -> None:
    _file.write_owner(str(tmp_path / "missing" / "jobs.db"), host="here", pid=1)
    assert _file.in_use(str(tmp_path / "jobs.db")).pid is None
