"""What is removed of what has ended: a few rows with each commit, so that none takes long because of it."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from turnkeeper_trio.stores._keep import Keep
from turnkeeper_trio.stores.sqlite._rows import tags_of
from turnkeeper_trio.stores.sqlite._session import ROWS, Session, Tally, add

Execute = Callable[..., sqlite3.Cursor]

_EVERY_US: Final = 60_000_000
"""At least this often it is looked for what has become too old."""

_LEAST_TURN: Final = 1000
"""So many runs have to end before records that had to be kept are looked at again."""

# The newest record of a job is kept, because the scheduler may count on with it.
_KEPT: Final = """ (
    r.entry IN (coalesce(j.last_run, -1), coalesce(j.last_success, -1), coalesce(j.last_failure, -1))
    OR r.ended = (SELECT max(ended) FROM ended_run WHERE job = r.job))"""

_CROWDED: Final = f"""DELETE FROM ended_run WHERE ended IN (
    SELECT r.ended FROM ended_run r JOIN job j ON j.job = r.job
    WHERE r.job = ? AND r.ended <= (SELECT ended FROM ended_run WHERE job = ? ORDER BY ended DESC LIMIT 1 OFFSET ?)
    AND NOT {_KEPT})"""

_OLDEST: Final = f"""SELECT r.ended, r.finished_at, {_KEPT} FROM ended_run r JOIN job j ON j.job = r.job
    WHERE r.ended > ? ORDER BY r.ended LIMIT ?"""

_OVER: Final = """SELECT job, state, deleted, seq, tags, updated_at FROM job WHERE over = 1 AND owned = 0
    AND NOT EXISTS (SELECT 1 FROM open_run o WHERE o.job = job.job) ORDER BY updated_at LIMIT ?"""


def remove_tags(execute: Execute, job: int, seq: int, tags: str | None) -> None:
    """Delete the rows of the tags of a job."""
    for tag in tags_of(tags):
        execute("DELETE FROM tag WHERE tag = ? AND seq = ? AND job = ?", (tag, seq, job))


def delete_job(execute: Execute, tally: Tally, job: int, seq: int, tags: str | None) -> None:
    """Delete a job and its runs. The caller counts it no longer among the jobs."""
    remove_tags(execute, job, seq, tags)
    delete_runs(execute, tally, job)
    execute("DELETE FROM job WHERE job = ?", (job,))


def delete_runs(execute: Execute, tally: Tally, job: int, *, keep: str = "") -> None:
    """Delete the runs of a job, but those that have not ended and have the state ``keep``."""
    execute("DELETE FROM open_run WHERE job = ? AND state <> ?", (job, keep))
    add(tally, ROWS, -execute("DELETE FROM ended_run WHERE job = ?", (job,)).rowcount)


def crowded(keep: Keep, ended: Iterable[tuple[int, int]]) -> list[int]:
    """Return the jobs that may have more than ``per_job`` records.

    They are looked at after each tenth of that number of occurrences, because counting records takes as long as there
    are records.
    """
    if keep.per_job is None:
        return []
    bound, step = keep.per_job, max(1, keep.per_job // 10)
    return list(dict.fromkeys(job for job, entry in ended if entry > bound and entry % step == 0))


def prune(session: Session, tally: Tally, *, crowded: Iterable[int], at: int, budget: int) -> bool:
    """Remove what is over a bound: ``budget`` rows of each kind at most; return whether there may be more.

    ``tally`` is brought up to date.
    """
    settings, sweep, execute = session.settings, session.sweep, session.connected().execute
    for job in crowded:
        add(tally, ROWS, -execute(_CROWDED, (job, job, settings.keep.per_job)).rowcount)
    oldest = None
    if settings.age_us is not None and at >= sweep.next_at:
        oldest = at - settings.age_us
        sweep.next_at = at + min(_EVERY_US, settings.age_us // 100)
    more_runs = _sweep_runs(session, tally, oldest, budget)
    more_jobs = _sweep_jobs(session, tally, oldest, budget)
    if more_runs or more_jobs:
        sweep.next_at = at
    return more_runs or more_jobs


def _sweep_runs(session: Session, tally: Tally, oldest: int | None, budget: int) -> bool:
    sweep, total, connection = session.sweep, session.settings.keep.total, session.connected()
    rows = tally.get(ROWS, 0)
    excess = 0 if total is None else rows - total
    if excess <= 0 and oldest is None:
        return False
    last = session.counters.last_ended
    if last - sweep.turned_at >= max(_LEAST_TURN, rows):
        sweep.position, sweep.turned_at = 0, last
    gone: list[tuple[int]] = []
    found = connection.execute(_OLDEST, (sweep.position, budget)).fetchall()
    for ended, finished_at, kept in found:
        if excess <= len(gone) and (oldest is None or finished_at >= oldest):
            break
        sweep.position = ended
        if not kept:
            gone.append((ended,))
    connection.executemany("DELETE FROM ended_run WHERE ended = ?", gone)
    add(tally, ROWS, -len(gone))
    return bool(found) and sweep.position == found[-1][0] and len(found) == budget


def _sweep_jobs(session: Session, tally: Tally, oldest: int | None, budget: int) -> bool:
    total, execute = session.settings.keep.total, session.connected().execute
    names = ("jobs cancelled", "jobs finished", "jobs deleted")
    excess = 0 if total is None else sum(tally.get(name, 0) for name in names) - total
    if excess <= 0 and oldest is None:
        return False
    found = execute(_OVER, (budget,)).fetchall()
    for gone, (job, state, deleted, seq, tags, updated_at) in enumerate(found):
        if excess <= gone and (oldest is None or updated_at >= oldest):
            return False
        add(tally, f"jobs {'deleted' if deleted else state}", -1)
        delete_job(execute, tally, job, seq, tags)
    return len(found) == budget
