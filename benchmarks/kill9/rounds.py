"""Kills one process after the other, and compares what they told with the file."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .child import Life, live
from .evidence import Faults, Log, check_end, check_snapshot

LONGEST: Final = 30.0
"""Seconds within which a process opens the file."""

EARLY, LEAVING = 0.15, 0.2
"""The parts of the processes that are killed before the file is open, and while they shut down."""

FINISHING: Final = 120.0
"""Seconds within which the last process ends."""


class HarnessError(Exception):
    """A process ended by itself, or did not end."""


@dataclass(slots=True)
class Rounds:
    """Kills processes that use one file."""

    folder: Path
    backend: str
    durability: str
    seed: int
    kills: int = 0
    early: int = 0
    """How many of them before the file was open."""
    leaving: int = 0
    """How many of them while the process shut down."""
    gone: int = 0
    """How many processes had shut down before the kill."""
    read: int = 0
    lives: int = 0
    faults: Faults = field(default_factory=Faults)
    rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.rng.seed(self.seed)

    @property
    def file(self) -> Path:
        """The file of the store."""
        return self.folder / "jobs.db"

    @property
    def log(self) -> Path:
        """What the processes told."""
        return self.folder / "log"

    def kill(self) -> None:
        """Have a process live for a random time, kill it, and compare."""
        pid = self._start(last=False)
        if self.rng.random() < EARLY:
            self.early += 1
            time.sleep(self.rng.uniform(0, 0.08))
        else:
            self._until_open(pid)
            time.sleep(self.rng.uniform(0.01, 0.5))
            if self.rng.random() < LEAVING:
                self.leaving += 1
                os.kill(pid, signal.SIGTERM)
                time.sleep(self.rng.uniform(0, 0.03))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise HarnessError(self._errors())
            self.gone += 1
        self.kills += 1
        self._compare()

    def finish(self) -> Mapping[str, int]:
        """Have a last process finish everything, compare, and return some numbers."""
        pid = self._start(last=True)
        until = time.monotonic() + FINISHING
        while time.monotonic() < until:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                if status:
                    raise HarnessError(self._errors())
                self._compare()
                with self.log.open(encoding="utf-8") as lines:
                    return check_end(self.file, Log().read(lines), self.faults)
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise HarnessError("the last process did not finish everything in time")

    def _start(self, *, last: bool) -> int:
        self.lives += 1
        life = Life(str(self.file), str(self.log), self.lives, last, self.durability, self.rng.getrandbits(32))
        pid = os.fork()
        if pid == 0:
            live(life, self.backend, self.folder / "errors")
        return pid

    def _until_open(self, pid: int) -> None:
        until = time.monotonic() + LONGEST
        while b'["open"' not in self._told():
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise HarnessError(self._errors())
            if time.monotonic() > until:
                raise HarnessError("a process did not open the file in time")
            time.sleep(0.003)

    def _told(self) -> bytes:
        if not self.log.exists():
            return b""
        with self.log.open("rb") as file:
            file.seek(self.read)
            return file.read()

    def _errors(self) -> str:
        return (self.folder / "errors").read_text(encoding="utf-8")[-5000:]

    def _compare(self) -> None:
        """Compare what the process told with a copy of the file: the file itself is left as the kill left it."""
        told = self._told()
        self.read += len(told)
        copy = self.folder / "copy.db"
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{self.file}{suffix}", f"{copy}{suffix}")
        if copy.exists():
            with suppress(_NoTables):
                _need_tables(copy)
                check_snapshot(copy, Log().read(told.decode().splitlines()), self.faults)


class _NoTables(Exception):
    """The first process was killed before it had made the file."""


def _need_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'job'").fetchall():
            raise _NoTables
    finally:
        connection.close()
