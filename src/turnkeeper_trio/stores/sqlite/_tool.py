"""The commands for a store's file while no scheduler has it open: check, backup, prune and export."""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from turnkeeper_trio._model.record import plain
from turnkeeper_trio.errors import ConfigurationError, StoreError
from turnkeeper_trio.stores._keep import Keep
from turnkeeper_trio.stores.sqlite import _check, _file, _pruning, _schema
from turnkeeper_trio.stores.sqlite._rows import DEFINITION, IMAGE, RUN, definition, job_image, run_image
from turnkeeper_trio.stores.sqlite._session import Session, Settings

GOOD: Final = 0
FAULTY: Final = 1
"""The exit code of `check`, if it found something."""
FAILED: Final = 2
"""The exit code, if nothing could be done: also that of a mistaken command line."""

_BUDGET: Final = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command, and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (StoreError, ConfigurationError, sqlite3.Error, OSError) as error:
        kind = type(error).__name__
        _say(options, {"error": kind, "message": str(error)}, f"{kind}: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m turnkeeper_trio.stores.sqlite", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=command)
        made.add_argument("file", help="the file of the store")
        made.add_argument("--json", action="store_true", help="write what was found as JSON")
        return made

    add("check", _check_file, "Say whether the file is whole, and its rows fit together.")
    backup = add("backup", _back_up, "Write a copy of the store.")
    backup.add_argument("copy", help="the file to write, which must not exist")
    prune = add("prune", _prune, "Remove records of runs, and jobs that have ended, beyond the bounds that are given.")
    prune.add_argument("--per-job", type=int, help="keep so many records of runs of each job")
    prune.add_argument("--age", type=float, help="keep records, and jobs that have ended, for so many seconds")
    prune.add_argument("--total", type=int, help="keep so many records, and so many jobs that have ended")
    add("export", _export, "Write each job and each run as a line of JSON.")
    return parser


def _say(options: argparse.Namespace, found: dict[str, Any], text: str, *, file: Any = None) -> None:
    print(json.dumps(found) if options.json else text, file=file)


def _open(options: argparse.Namespace, *, write: bool = False, **keep: Any) -> Session:
    settings = Settings(
        path=_file.absolute(options.file), create=False, synchronous="FULL", busy_timeout=0, keep=Keep(**keep),
        age_us=Keep(**keep).age_us, keep_values=True,
    )  # fmt: skip
    session = Session(settings)
    session.connection, _ = _file.open_file(
        settings.path, create=False, busy_timeout=0, synchronous="FULL", migrate=False
    )
    session.connection.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
    return session


def _check_file(options: argparse.Namespace) -> int:
    with closing(_open(options).connected()) as connection:
        faults = _check.faults(connection)
    text = "\n".join(faults) or f"{options.file}: all is well"
    _say(options, {"file": options.file, "faults": faults}, text)
    return FAULTY if faults else GOOD


def _back_up(options: argparse.Namespace) -> int:
    copy = Path(options.copy)
    if copy.exists():
        raise FileExistsError(f"there is a file {copy} already; name another")
    if not copy.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {copy.parent}; make it, or name another file")
    with closing(_open(options, write=True).connected()) as connection:
        _schema.back_up(connection, copy)
    _say(options, {"file": options.file, "copy": str(copy)}, f"{copy} is a copy of {options.file}")
    return GOOD


def _prune(options: argparse.Namespace) -> int:
    session = _open(options, write=True, per_job=options.per_job, age=options.age, total=options.total)
    with closing(session.connected()) as connection:
        session.load()
        before = dict(session.tally)
        at = time.time_ns() // 1000
        jobs = [job for (job,) in connection.execute("SELECT job FROM job")] if options.per_job is not None else []
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE job SET owned = 0 WHERE owned = 1")
        more = _pruning.prune(session, session.tally, crowded=jobs, at=at, budget=_BUDGET)
        while more:
            more = _pruning.prune(session, session.tally, crowded=(), at=at, budget=_BUDGET)
        connection.execute("UPDATE node SET tally = ?", (json.dumps(session.tally),))
        connection.execute("COMMIT")
    gone = {name: n - session.tally[name] for name, n in before.items() if n != session.tally[name]}
    records = gone.pop("runs ended", 0)
    jobs_gone = sum(gone.values())
    text = f"removed {records} records of runs and {jobs_gone} jobs that had ended"
    _say(options, {"file": options.file, "records": records, "jobs": jobs_gone}, text)
    return GOOD


def _export(options: argparse.Namespace) -> int:
    with closing(_open(options).connected()) as connection:
        for line in _lines(connection):
            print(json.dumps(plain(line)))  # noqa: T201  (it is what the command is for)
    return GOOD


def _lines(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    statement = f"SELECT id, seq, {', '.join((*DEFINITION, *IMAGE))} FROM job ORDER BY seq"
    for key, seq, *values in connection.execute(statement):
        told = definition(values[: len(DEFINITION)])
        image = job_image(values[len(DEFINITION) :])._asdict()
        for name in ("pending", "held"):
            image[name] = image[name] and image[name]._asdict()
        about = told._asdict() | {"text": json.loads(told.text)}
        yield {"kind": "job", "job_id": UUID(bytes=key), "seq": seq} | about | image
    for table, ended, order in (("ended_run", "ended", "ended"), ("open_run", "0", "r.job, entry")):
        columns = ", ".join(f"r.{name}" for name in RUN)
        statement = f"SELECT j.id, {ended}, {columns} FROM {table} r JOIN job j ON j.job = r.job ORDER BY {order}"
        for key, position, *values in connection.execute(statement):
            image = run_image(values)._asdict()
            told_of = {name: image[name] and json.loads(image[name]) for name in ("error", "value")}
            yield {"kind": "run", "job_id": UUID(bytes=key), "ended": position} | image | told_of
