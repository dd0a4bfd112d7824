"""What the log of the processes says, compared with what the file holds.

The file is read with `sqlite3` alone, so that nothing of the library judges itself. Right after a kill, each thing that
a process had told has to be in the file; at the end, everything has to be finished, and counted exactly.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from turnkeeper_trio.stores.sqlite import _check

from .child import DELAY, RUNS, STEPS

SHOWN: Final = 5
"""So many faults of a kind are told in full."""

CRASH_LIMIT: Final = 3
"""The default of a request."""

LOST, UNFINISHED, UNBACKED = "accepted, and lost", "not finished", "bodies without a durable start"
TWICE, RERUN, CHANGED = "an attempt twice", "rerun without a crash", "an outcome that was told changed"
SLOTS, GAPS, OVER = "an occurrence twice", "an occurrence lost", "more than max_runs"
EFFECTS = "effect and outcome disagree"
MARKED, ANSWERS, FILE, OUTCOMES = "MARK run twice", "an answer lost", "rows at odds", "a wrong outcome"
KINDS: Final = (
    LOST, UNFINISHED, UNBACKED, TWICE, RERUN, CHANGED, SLOTS, GAPS, OVER, MARKED, ANSWERS, FILE, OUTCOMES, EFFECTS
)  # fmt: skip


class Begun(NamedTuple):
    """A body that began."""

    life: int
    attempt: int
    mark: int


@dataclass(slots=True)
class Log:
    """What processes told."""

    submitted: set[int] = field(default_factory=set)
    accepted: dict[Any, tuple[str, str]] = field(default_factory=dict)
    """Kind and id of a job by its number, or by its name."""
    begun: dict[str, list[Begun]] = field(default_factory=lambda: defaultdict(list))
    """By the id of the run."""
    bodies: set[Any] = field(default_factory=set)
    """Jobs of which a body began."""
    ended: dict[tuple[str, int], str] = field(default_factory=dict)
    """How a body ended, by the id of the run and the number of the attempt."""
    told: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    completed: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    updated: dict[int, tuple[int, int]] = field(default_factory=dict)
    triggered: dict[int, str] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    resuming: set[int] = field(default_factory=set)
    resumed: set[int] = field(default_factory=set)
    applied: int = 0

    def read(self, lines: Iterable[str]) -> "Log":
        """Take over more lines."""
        for line in lines:
            what, life, *values = json.loads(line)
            match what:
                case "accepted":
                    self.accepted[values[0]] = (values[1], values[2])
                case "begun":
                    job, run_id, attempt, mark = values
                    self.begun[run_id].append(Begun(life, attempt, mark))
                    self.bodies.add(job)
                case "ended":
                    self.ended[values[0], values[1]] = values[2]
                case "told":
                    self.told[values[0]] = tuple(values[1:])
                case "updated":
                    self.updated[values[0]] = (values[1], values[2])
                case "triggered":
                    self.triggered[values[0]] = values[1]
                case "applied":
                    self.applied = values[0]
                case "submitted" | "completed" | "cancelled" | "paused" | "resuming" | "resumed":
                    getattr(self, what).add(values[0])
        return self


@dataclass(slots=True)
class Faults:
    """What must not be, by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)

    def add(self, kind: str, text: object, count: int = 1) -> None:
        """Note a fault; of each kind some are told in full."""
        self.counts[kind] += count
        if self.counts[kind] <= SHOWN or count > 1:
            self.texts.append(f"{kind}: {text}")


def _rows(connection: sqlite3.Connection, statement: str, *values: object) -> Iterator[sqlite3.Row]:
    connection.row_factory = sqlite3.Row
    return connection.execute(statement, values)


_RUN: Final = "job, run_id, origin, scheduled_at, state, attempts, failures, crashes, outcome, reason, count"


def check_snapshot(path: Path, log: Log, faults: Faults) -> None:
    """Compare what one process told with a copy of the file that was made when it had been killed."""
    with closing(sqlite3.connect(path)) as connection:
        _check_jobs(connection, log, faults)
        _check_runs(connection, log, faults)
        connection.row_factory = None
        _check_effects(connection, log, faults)
        for text in connection.execute("PRAGMA quick_check(3)").fetchall():
            if tuple(text) != ("ok",):
                faults.add(FILE, tuple(text))


def _check_jobs(connection: sqlite3.Connection, log: Log, faults: Faults) -> None:
    for job, (_, job_id) in log.accepted.items():
        found = next(_rows(connection, "SELECT * FROM job WHERE id = ?", bytes.fromhex(job_id)), None)
        if found is None:
            faults.add(LOST, f"the job {job} after the kill")
            continue
        if job in log.cancelled and found["state"] != "cancelled":
            faults.add(ANSWERS, f"the job {job} was cancelled, and is {found['state']}")
        if job in log.paused and job not in log.resuming and found["state"] != "paused":
            faults.add(ANSWERS, f"the job {job} was paused, and is {found['state']}")
        if job in log.updated and found["version"] < log.updated[job][0]:
            faults.add(ANSWERS, f"the job {job} was updated, and has the version {found['version']}")


def _check_runs(connection: sqlite3.Connection, log: Log, faults: Faults) -> None:
    for run_id, bodies in log.begun.items():
        attempts = max(body.attempt for body in bodies)
        run = _run(connection, run_id)
        if run is None or run["attempts"] < attempts:
            faults.add(UNBACKED, f"attempt {attempts} of the run {run_id}: the file has {_shown(run)}")
    for job, run_id in log.triggered.items():
        if _run(connection, run_id) is None:
            faults.add(ANSWERS, f"the triggered run {run_id} of the job {job} is missing")
    for job, (run_id, outcome, _) in log.told.items():
        run = _run(connection, run_id)
        if run is None or run["outcome"] != outcome:
            faults.add(CHANGED, f"the run {run_id} of the job {job}: told {outcome}, kept {_shown(run)}")


def _run(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row | None:
    for table in ("open_run", "ended_run"):
        for row in _rows(connection, f"SELECT {_RUN} FROM {table} WHERE run_id = ?", bytes.fromhex(run_id)):
            return row
    return None


def _shown(row: sqlite3.Row | None) -> str:
    if row is None:
        return "nothing"
    return str({name: row[name].hex() if isinstance(row[name], bytes) else row[name] for name in row.keys()})  # noqa: SIM118  (a row iterates over values)


def check_end(path: Path, log: Log, faults: Faults) -> Mapping[str, int]:
    """Compare everything that was told with the file in which everything is finished; return some numbers."""
    with closing(sqlite3.connect(path)) as connection:
        jobs = {row["job"]: row for row in _rows(connection, "SELECT * FROM job")}
        runs = [
            *_rows(connection, f"SELECT {_RUN} FROM open_run"),
            *_rows(connection, f"SELECT {_RUN} FROM ended_run"),
        ]
        connection.row_factory = None
        _check_effects(connection, log, faults)
        for text in _check.faults(connection):
            faults.add(FILE, text)
    named = _by_name(jobs.values(), log, faults)
    of_job: dict[int, list[sqlite3.Row]] = defaultdict(list)
    known = set()
    for run in runs:
        of_job[run["job"]].append(run)
        known.add(run["run_id"].hex())
        _check_run(jobs[run["job"]], run, log, faults)
    for run_id, bodies in log.begun.items():
        if run_id not in known:
            faults.add(UNBACKED, f"the run {run_id}: {bodies}")
    for row in jobs.values():
        _check_occurrences(row, of_job[row["job"]], faults)
    _check_told(named, {run["run_id"].hex(): run for run in runs}, log, faults)
    return {
        "submitted": len(log.submitted),
        "acked": len(log.accepted),
        "not acked": sum(isinstance(job, int) and job not in log.accepted for job in named),
        "bodies": sum(map(len, log.begun.values())),
        "crashed": sum(run["crashes"] for run in runs),
        "occurrences": sum(run["count"] for run in runs if jobs[run["job"]]["target"] == "tick"),
        "told": len(log.told) + len(log.cancelled) + len(log.updated) + len(log.triggered) + len(log.paused),
    }


def _check_effects(connection: sqlite3.Connection, log: Log, faults: Faults) -> None:
    """Check that what a body wrote is there once if its run was completed, and else not."""
    wrote: Counter[int] = Counter()
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'effect'").fetchall():
        wrote.update(job for (job,) in connection.execute("SELECT job FROM effect"))
    succeeded = {
        int(name.split()[1])
        for name, state in connection.execute(
            """SELECT j.name, r.outcome FROM job j JOIN ended_run r ON r.job = j.job AND r.outcome = 'succeeded'
            UNION SELECT j.name, r.state FROM job j JOIN open_run r ON r.job = j.job AND r.state = 'completed'"""
        )
        if name.startswith("completed ")
    }
    for job in (wrote.keys() | log.completed) ^ succeeded:
        faults.add(EFFECTS, f"the job {job}: written {wrote[job]} times, told {job in log.completed}, {succeeded}")
    for job, count in wrote.items():
        if count != 1:
            faults.add(EFFECTS, f"the job {job}: written {count} times")


def _by_name(rows: Iterable[sqlite3.Row], log: Log, faults: Faults) -> dict[Any, sqlite3.Row]:
    """Return the jobs by number or name, after a check that each is there once, and as it should be."""
    named: dict[Any, sqlite3.Row] = {}
    for row in rows:
        name = _number(row)
        if name in named:
            faults.add(FILE, f"the job {name} is there twice")
        named[name] = row
        _check_state(name, row, log, faults)
    for job, (kind, _) in log.accepted.items():
        if job not in named:
            faults.add(LOST, f"the job {job} ({kind})")
    return named


def _number(row: sqlite3.Row) -> Any:
    """Return the number of a job, or its name, if it recurs."""
    kind, _, number = row["name"].partition(" ")
    return int(number) if number else kind


def _kind(row: sqlite3.Row) -> str:
    return str(row["name"].partition(" ")[0])


def _check_state(job: Any, row: sqlite3.Row, log: Log, faults: Faults) -> None:
    state, kind = row["state"], _kind(row)
    allowed = {"finished"}
    if job in log.cancelled or kind == "updated":
        allowed = {"cancelled"}
    elif kind == "cancelled":  # its process was killed before it was cancelled, and much later it ran
        allowed = {"cancelled", "finished"}
    elif job in log.paused and job not in log.resuming:
        allowed = {"paused"}
    elif kind == "paused" and job not in log.resumed:
        allowed = {"paused", "finished"}
    if state not in allowed:
        faults.add(UNFINISHED, f"the job {row['name']} is {state}, not {' or '.join(allowed)}")
    if job in log.paused and job not in log.resuming and (row["reason"] != "for a while" or job in log.bodies):
        faults.add(ANSWERS, f"the job {job} is paused, with the note {row['reason']!r}; ran: {job in log.bodies}")
    if job in log.cancelled and (row["reason"] != "not wanted" or job in log.bodies):
        faults.add(ANSWERS, f"the job {job} is cancelled, because {row['reason']!r}; ran: {job in log.bodies}")
    if job in {"plain", "all", "delay"} and _args(row)[1] < log.applied:
        faults.add(ANSWERS, f"the job {job} is as {_args(row)[1]} applied it, not {log.applied}")


def _args(row: sqlite3.Row) -> list[Any]:
    args: list[Any] = json.loads(row["text"])["call"]["args"]
    return args


def _check_run(job: sqlite3.Row, run: sqlite3.Row, log: Log, faults: Faults) -> None:
    run_id, kind = run["run_id"].hex(), _kind(job)
    bodies = log.begun.get(run_id, [])
    attempts = [body.attempt for body in bodies]
    what = f"{job['name']} {_shown(run)}, in the log {bodies}"
    if run["outcome"] is None:
        faults.add(UNFINISHED, what)
    if len(set(attempts)) < len(attempts):
        faults.add(TWICE, what)
    if max(attempts, default=0) > run["attempts"]:
        faults.add(UNBACKED, what)
    ends = _ends(kind, run, attempts, log)
    again = [how for how in ends[:-1] if how == "returned"]
    missing = run["attempts"] - len(attempts)
    cut_off = ends.count(None)
    further = sum(how in {"raised", "snoozed"} for how in ends)
    if len(again) + cut_off + missing > run["crashes"] or run["attempts"] > 1 + further + run["crashes"]:
        faults.add(RERUN, what)
    for (one, two), how in zip(pairwise(bodies), ends, strict=False):
        if one.life == two.life and how not in {"raised", "snoozed"}:
            faults.add(RERUN, what)
    if kind == "marked" and run["attempts"] > 1:
        faults.add(MARKED, what)
    if run["outcome"] == "succeeded" and (not ends or ends[-1] != "returned" or attempts[-1] != run["attempts"]):
        faults.add(OUTCOMES, f"it succeeded without a body: {what}")
    if run["attempts"]:
        _check_outcome(kind, run, what, faults)


def _ends(kind: str, run: sqlite3.Row, attempts: Sequence[int], log: Log) -> list[str | None]:
    """Return how bodies ended; ``None`` for one that was cut off."""
    ends = [log.ended.get((run["run_id"].hex(), attempt)) for attempt in attempts]
    # A body that has completed its run may be cut off, and does not begin again.
    if kind == "completed" and run["outcome"] == "succeeded" and ends and attempts[-1] == run["attempts"]:
        ends[-1] = "returned"
    return ends


def _check_outcome(kind: str, run: sqlite3.Row, what: str, faults: Faults) -> None:
    crashes = run["crashes"]
    expected = "succeeded"
    if kind == "marked" and crashes:
        expected = "interrupted"
    elif crashes >= CRASH_LIMIT or (kind == "failed" and crashes > 1):
        expected = "failed"
    if run["outcome"] not in {expected, None}:
        faults.add(OUTCOMES, f"not {expected}: {what}")
    if crashes >= CRASH_LIMIT and f"died {crashes} times" not in run["reason"]:
        faults.add(OUTCOMES, f"it does not say why: {what}")


def _check_told(named: Mapping[Any, sqlite3.Row], runs: Mapping[str, sqlite3.Row], log: Log, faults: Faults) -> None:
    for job, (run_id, outcome, attempts) in log.told.items():
        run = runs.get(run_id)
        if run is None or (run["outcome"], run["attempts"]) != (outcome, attempts):
            faults.add(CHANGED, f"the job {job}: told {outcome}, {attempts} attempts; kept {_shown(run)}")
    for job, (version, mark) in log.updated.items():
        row = named.get(job)
        if row is None or row["version"] < version or _args(row)[1] < mark:
            faults.add(ANSWERS, f"the update of the job {job} to version {version}")
    for job, run_id in log.triggered.items():
        run, bodies = runs.get(run_id), log.begun.get(run_id, [])
        if run is None or any(body.mark != log.updated[job][1] for body in bodies):
            faults.add(ANSWERS, f"the run {run_id} that was triggered for the job {job}: {_shown(run)}, {bodies}")


def _check_occurrences(job: sqlite3.Row, runs: Sequence[sqlite3.Row], faults: Faults) -> None:
    """Check that each occurrence of a job is there once, run or counted."""
    name, kind = job["name"], _kind(job).rstrip("0123456789")
    planned = sorted((run for run in runs if run["origin"] == "schedule"), key=lambda run: run["scheduled_at"])
    began = sum(run["attempts"] > 0 for run in planned)
    if job["target"] != "tick":
        if began > 1:
            faults.add(SLOTS, f"the job {name} ran {began} times")
        return
    if kind == "capped":
        if began > RUNS:
            faults.add(OVER, f"{name} began {began} times")
        if began < RUNS:
            faults.add(GAPS, f"{name} began {began} times, of {RUNS}")
    # The last process ends the grids, which supersedes the occurrence that was to come.
    ran = planned[:-1] if planned and planned[-1]["outcome"] == "superseded" else planned
    if kind == "all" and any(run["count"] != 1 or not run["attempts"] for run in ran):
        faults.add(GAPS, f"{name} has occurrences that did not run")
    if kind not in STEPS:
        for one, two in pairwise(planned):
            if two["scheduled_at"] - one["scheduled_at"] < DELAY * 1000:
                faults.add(SLOTS, f"{name} at {one['scheduled_at']} and at {two['scheduled_at']}")
        return
    _check_grid(job, planned, STEPS[kind] * 1000, faults)


def _check_grid(job: sqlite3.Row, planned: Sequence[sqlite3.Row], step: int, faults: Faults) -> None:
    # The first instant is a step after the anchor. A row that counts several holds only the last of their instants.
    name, anchor = job["name"], int(job["bound"])
    last = max((run["scheduled_at"] for run in planned), default=anchor)
    instants = Counter(run["scheduled_at"] for run in planned)
    twice = [instant for instant, count in instants.items() if count > 1 or (instant - anchor) % step]
    expected, counted = (last - anchor) // step, sum(run["count"] for run in planned)
    if twice or counted > expected:
        faults.add(SLOTS, f"{name}: {counted} are counted of {expected}; {twice}", max(len(twice), counted - expected))
    if counted < expected:
        faults.add(GAPS, f"{name}: {counted} are counted of {expected}", expected - counted)
    until = json.loads(job["text"])["request"].get("until")
    if until is not None and last + step <= datetime.fromisoformat(until).timestamp() * 1e6:
        faults.add(GAPS, f"{name}: {last} is the last, and the next lies before {until}")
