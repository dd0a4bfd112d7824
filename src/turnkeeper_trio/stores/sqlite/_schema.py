"""The tables of a store in a SQLite file, and how files of earlier versions are brought up to date."""

import os
import sqlite3
from pathlib import Path
from typing import Final

from turnkeeper_trio.stores.sqlite._rows import DEFINITION, IMAGE, RUN

APPLICATION_ID: Final = 0x54524E4B
"""It marks a file as a store of this library: ``TRNK``."""

SCHEMA: Final = 1
"""The version of the tables below."""

MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {}
"""By version: the statements that bring the tables of that version to the next."""

_TYPES: Final = {
    **dict.fromkeys(("state", "name", "target", "text", "reason"), "TEXT NOT NULL"),
    **dict.fromkeys(("pending_origin", "held_origin", "key", "tags", "job_set", "bound"), "TEXT"),
    **dict.fromkeys(("overlap", "outcome", "error", "value"), "TEXT"),
    "origin": "TEXT NOT NULL",
    "run_id": "BLOB NOT NULL",
    **dict.fromkeys(("pending_run_id", "held_run_id"), "BLOB"),
    **dict.fromkeys(
        ("pending_entry", "pending_scheduled_at", "pending_due_at", "held_entry", "held_scheduled_at", "held_due_at",
         "latest", "last_run", "last_success", "last_failure", "wake_at", "started_at", "finished_at"),
        "INTEGER",
    ),
}  # fmt: skip


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_TYPES.get(name, 'INTEGER NOT NULL')}" for name in names)


# Columns that a change looks at come first. A job has a number of its own, because its id is long and random, and its
# position changes if it is replaced by another with the same id. What has ended is apart from what has not: it is only
# ever added at the end, and an opening reads nothing of it.
TABLES: Final = (
    """CREATE TABLE node(
        one INTEGER PRIMARY KEY CHECK(one = 1), batch INTEGER NOT NULL, refusals TEXT NOT NULL, tally TEXT NOT NULL,
        last_seq INTEGER NOT NULL, last_ended INTEGER NOT NULL, high INTEGER NOT NULL, clean INTEGER NOT NULL,
        node_id BLOB, host TEXT, pid INTEGER, version TEXT, opened_at INTEGER) STRICT""",
    "INSERT INTO node VALUES (1, -1, '[]', '{}', 0, 0, 0, 1, NULL, NULL, NULL, NULL, NULL)",
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    f"""CREATE TABLE job(
        job INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, seq INTEGER NOT NULL, owned INTEGER NOT NULL,
        over INTEGER NOT NULL, updated_at INTEGER NOT NULL, {_columns(IMAGE)}, {_columns(DEFINITION)}) STRICT""",
    "CREATE INDEX job_wake ON job(target, wake_at) WHERE owned = 0 AND wake_at IS NOT NULL",
    "CREATE INDEX job_owned ON job(job) WHERE owned = 1",
    "CREATE INDEX job_over ON job(updated_at) WHERE over = 1 AND owned = 0",
    "CREATE INDEX job_list ON job(state, seq) WHERE deleted = 0",
    "CREATE INDEX job_pending ON job(pending_run_id) WHERE pending_run_id IS NOT NULL",
    "CREATE INDEX job_set ON job(job_set) WHERE job_set IS NOT NULL",
    """CREATE TABLE tag(
        tag TEXT NOT NULL, seq INTEGER NOT NULL, job INTEGER NOT NULL, PRIMARY KEY(tag, seq, job))
        STRICT, WITHOUT ROWID""",
    f"CREATE TABLE open_run(job INTEGER NOT NULL, {_columns(RUN)}, PRIMARY KEY(job, entry)) STRICT, WITHOUT ROWID",
    "CREATE INDEX open_run_id ON open_run(run_id)",
    f"""CREATE TABLE ended_run(
        ended INTEGER PRIMARY KEY, high INTEGER NOT NULL, job INTEGER NOT NULL, {_columns(RUN)}) STRICT""",
    "CREATE UNIQUE INDEX ended_run_entry ON ended_run(job, entry)",
    "CREATE INDEX ended_run_job ON ended_run(job, ended)",
    "CREATE INDEX ended_run_id ON ended_run(run_id)",
    "CREATE INDEX ended_run_outcome ON ended_run(outcome, ended) WHERE outcome <> 'succeeded'",
)


NAMES: Final = frozenset({"node", "setting", "job", "tag", "open_run", "ended_run"})
"""The names of the tables."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, in the transaction that the caller began."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def migrate(connection: sqlite3.Connection, path: Path, found: int) -> str:
    """Bring the tables of version ``found`` up to date in one transaction, and return where a copy was put before."""
    copy = free_name(path, f".schema-{found}")
    back_up(connection, copy)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(found, SCHEMA):
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return str(copy)


def back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """Write a copy of the file that is on the disk when this returns; ``copy`` must not exist."""
    connection.execute("VACUUM INTO ?", (str(copy),))
    with copy.open("r+b") as file:
        os.fsync(file.fileno())


def free_name(path: Path, suffix: str) -> Path:
    """Return a path beside ``path`` that is not taken: its name with ``suffix``, and a number if need be."""
    made = path.with_name(path.name + suffix)
    number = 1
    while made.exists():
        number += 1
        made = path.with_name(f"{path.name}{suffix}-{number}")
    return made
