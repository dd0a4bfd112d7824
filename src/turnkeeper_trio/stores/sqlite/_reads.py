"""What is asked of the file: jobs to claim, lists of jobs and of runs, and numbers.

No question takes longer because there are more jobs: each is answered along an index, and where several parts of an
index hold the answer, along each of them, and then in order.
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.stored import (
    Claim,
    Claimed,
    JobQuery,
    RunImage,
    RunQuery,
    RunState,
    StoreCounts,
    StoredJob,
    StoredRun,
)
from turnkeeper_trio.stores.sqlite._rows import DEFINITION, IMAGE, RUN, definition, job_image, run_image, with_letters
from turnkeeper_trio.stores.sqlite._session import ROWS, Session

Execute = Callable[..., sqlite3.Cursor]

_WAITING: Final = "owned = 0 AND wake_at IS NOT NULL"
_NEXT_TARGET: Final = (
    f"SELECT target, wake_at FROM job INDEXED BY job_wake WHERE {_WAITING} AND target > ? "
    f"ORDER BY target, wake_at LIMIT 1"
)
_DUE: Final = (
    f"SELECT wake_at, job FROM job INDEXED BY job_wake WHERE {_WAITING} AND target = ? AND wake_at <= ? "
    f"ORDER BY wake_at LIMIT ?"
)
_JOB: Final = f"SELECT id, seq, {', '.join(DEFINITION + IMAGE)} FROM job WHERE job = ?"
_RUN: Final = ", ".join(RUN)
_OF_JOB: Final = f"SELECT {_RUN} FROM open_run WHERE job = ? ORDER BY entry"
_LAST: Final = f"SELECT {_RUN} FROM ended_run WHERE job = ? AND entry IN (?, ?, ?) ORDER BY entry"
_OF_RUN: Final = f"r.job, {', '.join(f'r.{name}' for name in RUN)}"
_RECORD: Final = f"SELECT j.id, j.name, r.ended, {_OF_RUN}"
_BY_RUN: Final = (
    f"{_RECORD} FROM ended_run r JOIN job j ON j.job = r.job WHERE r.run_id = ? UNION ALL "
    f"SELECT j.id, j.name, 0, {_OF_RUN} FROM open_run r JOIN job j ON j.job = r.job WHERE r.run_id = ?"
)
_OF_STATE: Final = "SELECT seq, job FROM job WHERE deleted = 0 AND state = ? AND seq > ? ORDER BY seq LIMIT ?"
_OF_TAG: Final = (
    "SELECT t.seq, t.job FROM tag t CROSS JOIN job j ON j.job = t.job WHERE t.tag = ? AND t.seq > ? "
    "AND j.deleted = 0 AND instr(?, '|' || j.state || '|') ORDER BY t.seq LIMIT ?"
)

LATEST: Final = (1 << 63) - 1


def _waiting(execute: Execute, targets: frozenset[str] | None) -> list[tuple[int, str]]:
    """Return each wanted target of jobs that nobody owns, after their earliest ``wake_at``, in its order."""
    found: list[tuple[int, str]] = []
    target = ""
    while row := execute(_NEXT_TARGET, (target,)).fetchone():
        target, wake_at = row
        if targets is None or target in targets:
            found.append((wake_at, target))
    return sorted(found)


def _due(execute: Execute, waiting: Sequence[tuple[int, str]], until: int, limit: int) -> list[int]:
    """Return the earliest jobs that are due, at most ``limit``."""
    found: list[tuple[int, int]] = []
    for earliest, target in waiting:
        if earliest > until:
            break
        found = heapq.nsmallest(limit, [*found, *execute(_DUE, (target, until, limit))])
        if len(found) == limit:
            until = found[-1][0] if found else -1
    return [job for _, job in found]


def claim(session: Session, claim: Claim) -> Claimed:
    """Claim jobs for the scheduler."""
    execute = session.connected().execute
    if session.unsettled:
        _own(session, session.unsettled, 0, claim)
    runs: dict[UUID, StoredRun] = {}
    due: list[int] = []
    if claim.until is not None:
        due = _due(execute, _waiting(execute, claim.targets), claim.until, claim.limit)
    jobs = dict.fromkeys(due)
    for job_id in claim.job_ids:
        jobs.update(dict.fromkeys(_unowned(execute, "id = ?", job_id.bytes)))
    for run_id in claim.run_ids:
        for job, record in _records(execute(_BY_RUN, (run_id.bytes, run_id.bytes))):
            runs[run_id] = record
            jobs.update(dict.fromkeys(_unowned(execute, "job = ?", job)))
        jobs.update(dict.fromkeys(_unowned(execute, "pending_run_id = ?", run_id.bytes)))
    for name in claim.job_sets:
        jobs.update(dict.fromkeys(_unowned(execute, "over = 0 AND job_set = ?", with_letters(name))))
    stored = [_stored(execute, job, runs=True, last=True) for job in jobs]
    return Claimed(jobs=stored, next_at=_own(session, list(jobs), 1, claim), runs=runs)


def _own(session: Session, jobs: list[int], owned: int, claim: Claim) -> int | None:
    """Have the scheduler own jobs, or nobody, and return when the next one is due that nobody owns.

    Who owns a job need not outlive a crash, because an opening gives all jobs back: so this does not wait for the disk.
    If it fails, its caller gets no jobs: they are given back before the next claim.
    """
    connection = session.connected()
    if jobs:
        session.unsettled = jobs
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("UPDATE job SET owned = ? WHERE job = ?", [(owned, job) for job in jobs])
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute(f"PRAGMA synchronous = {session.settings.synchronous}")
    waiting = _waiting(connection.execute, claim.targets)
    session.unsettled = []
    return waiting[0][0] if waiting else None


def _unowned(execute: Execute, which: str, value: object) -> list[int]:
    return [job for (job,) in execute(f"SELECT job FROM job WHERE owned = 0 AND {which} ORDER BY seq", (value,))]


def _stored(execute: Execute, job: int, *, runs: bool = False, last: bool = False) -> StoredJob:
    (key, seq, *values) = execute(_JOB, (job,)).fetchone()
    image = job_image(values[len(DEFINITION) :])
    opened: tuple[RunImage, ...] = tuple(map(run_image, execute(_OF_JOB, (job,)))) if runs else ()
    names = (image.last_run, image.last_success, image.last_failure)
    kept: tuple[RunImage, ...] = ()
    if last and names != (None, None, None):
        kept = tuple(map(run_image, execute(_LAST, (job, *names))))
    return StoredJob(UUID(bytes=key), seq, definition(values[: len(DEFINITION)]), image, opened, kept)


def _records(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, StoredRun]]:
    for key, name, ended, job, *values in rows:
        yield job, StoredRun(UUID(bytes=key), name, run_image(values), ended)


def read_jobs(session: Session, query: JobQuery) -> list[StoredJob]:
    """Return jobs with their open runs, in the order of submission."""
    execute = session.connected().execute
    states = frozenset(JobState) if query.states is None else query.states
    parts: list[Iterable[tuple[int, int]]]
    if query.tags is None:
        parts = [execute(_OF_STATE, (state.value, query.after, query.limit)) for state in states]
    else:
        wanted = f"|{'|'.join(state.value for state in states)}|"
        parts = [execute(_OF_TAG, (with_letters(tag), query.after, wanted, query.limit)) for tag in query.tags]
    found = sorted({row for part in parts for row in part})[: query.limit]
    return [_stored(execute, job, runs=True) for _, job in found]


def read_runs(session: Session, query: RunQuery) -> list[StoredRun]:
    """Return runs that have ended, the newest first."""
    execute = session.connected().execute
    index, where = "", "r.ended < ?"
    values: list[Any] = [LATEST if query.before is None else query.before]
    if query.since is not None:
        where += " AND r.ended >= ? AND r.finished_at >= ?"
        values += [_first_since(execute, query.since), query.since]
    if query.job_id is not None:
        index = "INDEXED BY ended_run_job"
        where += " AND r.job = (SELECT job FROM job WHERE id = ?)"
        values.append(query.job_id.bytes)
    outcomes = sorted(outcome.value for outcome in query.outcomes or ())
    parts: list[tuple[str, list[Any]]] = [(where, values)]
    if query.outcomes is not None and (query.job_id is not None or Outcome.SUCCEEDED in query.outcomes):
        parts = [(f"{where} AND r.outcome IN ({', '.join('?' * len(outcomes))})", [*values, *outcomes])]
    elif query.outcomes is not None:
        index = "INDEXED BY ended_run_outcome"
        where += " AND r.outcome <> 'succeeded' AND r.outcome = ?"
        parts = [(where, [*values, outcome]) for outcome in outcomes]
    rows: list[StoredRun] = []
    for where, values in parts:
        statement = (
            f"{_RECORD} FROM ended_run r {index} CROSS JOIN job j ON j.job = r.job WHERE {where} "
            f"ORDER BY r.ended DESC LIMIT ?"
        )
        rows += [record for _, record in _records(execute(statement, (*values, query.limit)))]
    return heapq.nlargest(query.limit, rows, key=lambda record: record.ended)


def _first_since(execute: Execute, since: int) -> int:
    """Return a position before which no run finished at ``since`` or later.

    The clock may have been set back: ``high`` never goes back, and is searched by halves.
    """
    low, end = 0, execute("SELECT coalesce(max(ended), 0) + 1 FROM ended_run").fetchone()[0]
    while low < end:
        middle = (low + end) // 2
        row = execute("SELECT ended, high FROM ended_run WHERE ended >= ? ORDER BY ended LIMIT 1", (middle,)).fetchone()
        if row is None or row[1] >= since:
            end = middle
        else:
            low = row[0] + 1
    return low


def read_upcoming(session: Session, limit: int) -> list[StoredJob]:
    """Return the jobs that nobody owns and that have a ``wake_at``, the earliest first, with their open runs."""
    execute = session.connected().execute
    return [_stored(execute, job, runs=True) for job in _due(execute, _waiting(execute, None), LATEST, limit)]


def count(session: Session) -> StoreCounts:
    """Return how much the store holds: numbers that each commit keeps up to date."""
    tally = session.tally
    jobs = {state: tally.get(f"jobs {state.value}", 0) for state in JobState}
    outcomes = {outcome: tally.get(f"outcomes {outcome.value}", 0) for outcome in Outcome}
    states = session.connected().execute("SELECT state, count(*) FROM open_run GROUP BY state")
    runs = {RunState(name): n for name, n in states}
    runs[RunState.ENDED] = tally.get(ROWS, 0)
    return StoreCounts(jobs=jobs, runs=runs, outcomes=outcomes)
