"""One transaction: the changes of a batch, written by one statement for all rows of a kind.

A change that comes after another of the same job in the batch waits until that one's rows are written; all others are
collected first. What a change looks at is read from the file, so that nothing in memory has to agree with it.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar, final

from turnkeeper_trio._model.stored import Batch, DefinitionImage, JobChange, JobImage, Refusal, RunImage, RunState
from turnkeeper_trio.stores.sqlite import _pruning
from turnkeeper_trio.stores.sqlite._rows import (
    DEFINITION,
    IMAGE,
    RUN,
    counted_as,
    definition_values,
    image_values,
    is_over,
    run_values,
    with_letters,
)
from turnkeeper_trio.stores.sqlite._session import ROWS, Counters, Session, add

Row = tuple[Any, ...]
R = TypeVar("R", DefinitionImage, JobImage, RunImage)

_FOUND_AT_ONCE: Final = 64
_ROW: Final = "SELECT id, job, owned, over, state, deleted, seq, tags FROM job WHERE id"
_FOUND: Final = f"{_ROW} = ?"
_ALL_FOUND: Final = f"{_ROW} IN ({', '.join('?' * _FOUND_AT_ONCE)})"


def _insert(table: str, *columns: str) -> str:
    return f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _update(columns: Sequence[str], key: str) -> str:
    return f"SET {', '.join(f'{name} = ?' for name in columns)} WHERE {key} = ?"


_NEW_JOB: Final = _insert("job", "job", "id", "seq", "owned", "over", "updated_at", *IMAGE, *DEFINITION)
_JOB: Final = f"UPDATE job {_update(('owned', 'over', 'updated_at', *IMAGE), 'job')}"

# SQLite writes the entries of an index again if a column of it is set, whether its value is another one or not. Most
# changes leave these as they are: a statement without them takes half the time.
_LISTED: Final = frozenset({"state", "deleted"})
_REST: Final = [place for place, name in enumerate(IMAGE) if name not in _LISTED]
_SAME: Final = f"UPDATE job {_update(('updated_at', *(IMAGE[place] for place in _REST)), 'job')}"
_DEFINITION: Final = f"UPDATE job {_update(('seq', *DEFINITION), 'job')}"
# The success of a run may be committed already, together with work of its body: then its row stays until its end.
_OPEN: Final = (
    f"{_insert('open_run', 'job', *RUN)} ON CONFLICT(job, entry) DO UPDATE "
    f"SET {', '.join(f'{name} = excluded.{name}' for name in RUN if name not in {'entry', 'run_id'})} "
    f"WHERE open_run.state <> 'completed'"
)
_ENDED: Final = _insert("ended_run", "ended", "high", "job", *RUN) + " ON CONFLICT(job, entry) DO NOTHING"
_AGAIN: Final = f"UPDATE ended_run {_update(RUN, 'ended')}"
_NODE: Final = "UPDATE node SET batch = ?, refusals = ?, tally = ?, last_seq = ?, last_ended = ?, high = ?"

_rest: Final = itemgetter(*_REST)
_OUTCOME: Final = RUN.index("outcome")

NOT_KEPT: Final = json.dumps({"not_kept": "values are not kept (keep_values=False)"})


class _Ended(NamedTuple):
    """A run that ended, until it is written."""

    ended: int
    high: int
    job: int
    image: RunImage
    values: Row


def apply(session: Session, batch: Batch) -> Sequence[Refusal]:
    """Commit a batch, if it was not committed before, and return what was refused."""
    if batch.number <= session.counters.batch:
        return session.counters.refusals if batch.number == session.counters.batch else ()
    session.check_place()
    try:
        return _committed(session, batch)
    except UnicodeEncodeError:
        session.connected().execute("ROLLBACK")
        return _committed(session, _with_letters(batch))


def _committed(session: Session, batch: Batch) -> Sequence[Refusal]:
    connection = session.connected()
    connection.execute("BEGIN IMMEDIATE")
    writer = _Writer(session, connection, batch)
    for place, change in enumerate(batch.changes):
        writer.change(place, change)
    writer.end_batch()
    connection.execute("COMMIT")
    session.counters = writer.counters
    session.tally = writer.tally
    return writer.counters.refusals


def _with_letters(batch: Batch) -> Batch:
    changes = [
        change._replace(
            definition=change.definition and _cleaned(change.definition),
            image=change.image and _cleaned(change.image),
            runs=tuple(map(_cleaned, change.runs)),
        )
        for change in batch.changes
    ]
    settings = {with_letters(name): with_letters(value) for name, value in batch.settings.items()}
    return replace(batch, changes=changes, settings=settings)


def _cleaned(row: R) -> R:
    kind: Any = type(row)
    cleaned: R = kind(*map(with_letters, row))
    return cleaned


@final
class _Writer:
    """Writes one batch, in the transaction that was begun for it."""

    def __init__(self, session: Session, connection: sqlite3.Connection, batch: Batch) -> None:
        self._settings = session.settings
        self._session = session
        self._execute: Callable[..., sqlite3.Cursor] = connection.execute
        self._many: Callable[..., sqlite3.Cursor] = connection.executemany
        self._batch = batch
        self._touched: set[bytes] = set()
        self._refusals: list[Refusal] = []
        self._new: list[Row] = []
        self._jobs: list[Row] = []
        self._same: list[Row] = []
        self._definitions: list[Row] = []
        self._tags: list[Row] = []
        self._opened: list[Row] = []
        self._ended: list[_Ended] = []
        self._dropped: list[Row] = []
        self._pruned: list[int] = []
        last = session.counters
        self.counters = Counters(batch.number, (), last.last_seq, last.last_job, last.last_ended, last.high)
        self.tally = dict(session.tally)
        self._numbers = self._number()
        self._found = self._find()

    def _find(self) -> dict[bytes, Row]:
        """Return what is looked at of the rows of the jobs of the batch, by their ids."""
        keys: list[bytes | None] = [change.job_id.bytes for change in self._batch.changes]
        rows: list[Row] = []
        if len(keys) == 1:
            rows = self._execute(_FOUND, keys).fetchall()
        else:
            # One statement for many, always with as many places, so that SQLite has prepared it.
            keys += [None] * (-len(keys) % _FOUND_AT_ONCE)
            for start in range(0, len(keys), _FOUND_AT_ONCE):
                rows += self._execute(_ALL_FOUND, keys[start : start + _FOUND_AT_ONCE]).fetchall()
        return {row[0]: row[1:] for row in rows}

    def _number(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return the position of each run of the batch that ended, by the places of its change and in that."""
        ended = [
            (image.number, place, index, image.finished_at or 0)
            for place, change in enumerate(self._batch.changes)
            for index, image in enumerate(change.runs)
            if image.state is RunState.ENDED
        ]
        numbers: dict[tuple[int, int], tuple[int, int]] = {}
        counters = self.counters
        for _, place, index, finished_at in sorted(ended):
            counters.last_ended += 1
            counters.high = max(counters.high, finished_at)
            numbers[place, index] = counters.last_ended, counters.high
        return numbers

    def change(self, place: int, change: JobChange) -> None:
        """Take over one change, or note that it is refused."""
        key = change.job_id.bytes
        found = self._found.get(key)
        if key in self._touched:
            self._write_jobs()
            self._write_runs()
            again: Row | None = self._execute(_FOUND, (key,)).fetchone()
            found = again and again[1:]
        self._touched.add(key)
        if change.new:
            if found is not None and not found[2]:
                self._refusals.append(Refusal(change.change_id, "its id is taken"))
                return
            self.counters.last_seq = max(self.counters.last_seq, change.seq)
        elif found is None or not found[1]:
            self._refusals.append(Refusal(change.change_id, "it is not claimed"))
            return
        job = self._write_job(change, key, found)
        if change.forget:
            _pruning.delete_runs(self._execute, self.tally, job, keep="completed")
        for index, image in enumerate(change.runs):
            if image.state is RunState.ENDED:
                self._write_ended_run(job, image, *self._numbers[place, index])
            else:
                self._opened.append((job, *run_values(image)))
        self._dropped += [(job, entry) for entry in change.dropped]
        if change.image is None:
            assert found is not None
            if change.runs or change.dropped:  # runs that end with the job are counted before they are deleted
                self._write_runs()
            _, _, _, state, deleted, seq, tags = found
            add(self.tally, f"jobs {'deleted' if deleted else state}", -1)
            _pruning.delete_job(self._execute, self.tally, job, seq, tags)

    def _write_job(self, change: JobChange, key: bytes, found: Row | None) -> int:
        image, definition = change.image, change.definition
        if image is None:
            assert found is not None, f"{change} is new and has no image"
            return int(found[0])
        place = change.seq
        values = image_values(image)
        owned, over, at = int(not change.release), int(is_over(image)), self._batch.at
        add(self.tally, f"jobs {counted_as(image)}", 1)
        if found is None:
            assert definition is not None, f"{change} is new and has no definition"
            job = self.counters.last_job = self.counters.last_job + 1
            self._new.append((job, key, place, owned, over, at, *values, *definition_values(definition)))
        else:
            job, owned_before, _, before, deleted, seq, tags = found
            add(self.tally, f"jobs {'deleted' if deleted else before}", -1)
            if owned == owned_before and image.state.value == before and image.deleted == bool(deleted):
                self._same.append((at, *_rest(values), job))
            else:
                self._jobs.append((owned, over, at, *values, job))
            if definition is not None:
                _pruning.remove_tags(self._execute, job, seq, tags)
                place = change.seq if change.new else seq  # it never changes
                self._definitions.append((place, *definition_values(definition), job))
        if definition is not None:
            self._tags += [(tag, place, job) for tag in definition.tags]
        return job

    def _write_ended_run(self, job: int, image: RunImage, ended: int, high: int) -> None:
        if image.value is not None and not self._settings.keep_values:
            image = image._replace(value=NOT_KEPT)
        self._ended.append(_Ended(ended, high, job, image, run_values(image)))

    def _write_jobs(self) -> None:
        """Write the rows of jobs that were collected."""
        self._all(_NEW_JOB, self._new)
        self._all(_JOB, self._jobs)
        self._all(_SAME, self._same)
        self._all(_DEFINITION, self._definitions)
        self._all("INSERT OR IGNORE INTO tag(tag, seq, job) VALUES (?, ?, ?)", self._tags)

    def _write_runs(self) -> None:
        """Write the rows of runs that were collected. A run may be among those that are open, and then has ended."""
        self._all(_OPEN, self._opened)
        if self._ended:
            self._write_ended()
        if self._dropped:
            self._many("DELETE FROM open_run WHERE job = ? AND entry = ?", self._dropped)
            for dropped in self._dropped:
                gone = "DELETE FROM ended_run WHERE job = ? AND entry = ? RETURNING outcome, count"
                for outcome, count in self._execute(gone, dropped).fetchall():
                    self._count(outcome, -count, rows=-1)
            self._dropped.clear()

    def _all(self, statement: str, rows: list[Row]) -> None:
        if rows:
            self._many(statement, rows)
            rows.clear()

    def _write_ended(self) -> None:
        ended = sorted(self._ended)
        self._ended.clear()
        rows: list[Row] = [(run.ended, run.high, run.job, *run.values) for run in ended]
        self._many("DELETE FROM open_run WHERE job = ? AND entry = ?", [(run.job, run.image.entry) for run in ended])
        if self._many(_ENDED, rows).rowcount == len(rows):
            for run in ended:
                self._count(run.values[_OUTCOME], run.image.count, rows=1)
        else:
            for run, row in zip(ended, rows, strict=True):
                self._write_again(run, row)
        self._pruned += _pruning.crowded(self._settings.keep, [(run.job, run.image.entry) for run in ended])

    def _write_again(self, run: _Ended, row: Row) -> None:
        """Count a row that was inserted, or write over the one that was there; the same record keeps its place."""
        place = (run.job, run.image.entry)
        ended, number, finished_at, outcome, count = self._execute(
            "SELECT ended, number, finished_at, outcome, count FROM ended_run WHERE job = ? AND entry = ?", place
        ).fetchone()
        self._count(run.values[_OUTCOME], run.image.count, rows=1)
        if ended == run.ended:
            return
        self._count(outcome, -count, rows=-1)
        if (number, finished_at) == (run.image.number, run.image.finished_at):
            self._execute(_AGAIN, (*run.values, ended))
        else:
            self._execute("DELETE FROM ended_run WHERE ended = ?", (ended,))
            self._execute(_ENDED, row)

    def _count(self, outcome: str, count: int, *, rows: int) -> None:
        add(self.tally, f"outcomes {outcome}", count)
        add(self.tally, ROWS, rows)

    def end_batch(self) -> None:
        """Write what was collected, the settings and the counters, and remove a little of what is over a bound."""
        self._write_jobs()
        ended = len(self._ended)
        self._write_runs()
        for name, value in self._batch.settings.items():
            if value is None:
                self._execute("DELETE FROM setting WHERE name = ?", (name,))
            else:
                self._execute("INSERT OR REPLACE INTO setting(name, value) VALUES (?, ?)", (name, value))
        _pruning.prune(self._session, self.tally, crowded=self._pruned, at=self._batch.at, budget=2 * ended + 10)
        counters = self.counters
        counters.refusals = tuple(self._refusals)
        refusals = json.dumps([(refusal.change_id, refusal.reason) for refusal in self._refusals])
        tally = json.dumps(self.tally)
        self._execute(_NODE, (counters.batch, refusals, tally, counters.last_seq, counters.last_ended, counters.high))
