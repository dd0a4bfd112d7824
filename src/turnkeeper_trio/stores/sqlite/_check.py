"""What has to be true of the rows of a store that is closed, whatever a scheduler did with it."""

import json
import sqlite3
from typing import Final

RULES: Final = {
    "a job has something to do, and no time at which it is claimed": """SELECT hex(id) FROM job
        WHERE owned = 0 AND over = 0 AND state = 'active' AND wake_at IS NULL
        AND (pending_entry IS NOT NULL OR EXISTS (SELECT 1 FROM open_run o WHERE o.job = job.job))""",
    "a job is over, and not marked so, or marked so and not over": """SELECT hex(id) FROM job
        WHERE over <> (deleted OR state IN ('cancelled', 'finished'))""",
    "a job comes after the last": "SELECT hex(id) FROM job, node WHERE seq > last_seq",
    "a job has an occurrence with a higher number than its highest": """SELECT hex(id) FROM job
        WHERE entries < max(
            coalesce(pending_entry, 0), coalesce(held_entry, 0),
            coalesce((SELECT max(entry) FROM open_run o WHERE o.job = job.job), 0),
            coalesce((SELECT max(entry) FROM ended_run e WHERE e.job = job.job), 0))""",
    "a run has no job": """SELECT hex(run_id) FROM open_run o
        WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.job = o.job)""",
    "a record has no job": """SELECT hex(run_id) FROM ended_run e
        WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.job = e.job)""",
    "a tag is not that of its job": """SELECT tag FROM tag t WHERE NOT EXISTS (
        SELECT 1 FROM job j, json_each(j.tags) WHERE j.job = t.job AND j.seq = t.seq AND value = t.tag)""",
    "a tag of a job is missing": """SELECT hex(j.id) FROM job j, json_each(j.tags) WHERE NOT EXISTS (
        SELECT 1 FROM tag t WHERE t.tag = value AND t.seq = j.seq AND t.job = j.job)""",
    "a run has ended, and is among those that have not": "SELECT hex(run_id) FROM open_run WHERE state = 'ended'",
    "a record is not one of a run that ended": """SELECT hex(run_id) FROM ended_run
        WHERE state <> 'ended' OR outcome IS NULL OR finished_at IS NULL OR finished_at > high""",
    "a run is in two rows": """SELECT hex(e.run_id) FROM open_run o
        JOIN ended_run e ON e.job = o.job AND e.entry = o.entry""",
    "a record comes after the last": "SELECT hex(run_id) FROM ended_run, node WHERE ended > last_ended",
}
"""What must not be, and the rows of which it is true."""

MOST: Final = 20
"""So many rows of a kind are named at most."""


def faults(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong with a store; nothing, if all is well."""
    found = [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]
    if found:  # the rows of a file that is damaged say nothing
        return [f"the file is damaged: {text}" for text in found]
    for rule, statement in RULES.items():
        found += [f"{rule}: {name}" for (name,) in connection.execute(f"{statement} LIMIT {MOST}")]
    return found + _numbers(connection)


def _numbers(connection: sqlite3.Connection) -> list[str]:
    ((text,),) = connection.execute("SELECT tally FROM node")
    tally: dict[str, int] = json.loads(text)
    jobs = connection.execute("SELECT CASE deleted WHEN 1 THEN 'deleted' ELSE state END, count(*) FROM job GROUP BY 1")
    found = {f"jobs {name}": n for name, n in jobs}
    ((found["runs ended"],),) = connection.execute("SELECT count(*) FROM ended_run")
    kept = connection.execute("SELECT outcome, sum(count) FROM ended_run GROUP BY 1")
    wrong = [
        f"{name}: {tally.get(name, 0)} are counted, there are {found.get(name, 0)}"
        for name in sorted(found.keys() | tally.keys())
        if not name.startswith("outcomes ") and tally.get(name, 0) != found.get(name, 0)
    ]
    return wrong + [
        f"outcomes {name}: {tally.get(f'outcomes {name}', 0)} are counted, {n} are kept"
        for name, n in kept
        if n > tally.get(f"outcomes {name}", 0)
    ]
