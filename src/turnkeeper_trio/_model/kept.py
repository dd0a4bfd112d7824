"""Errors and values of runs as a store keeps them: as text."""

import json
from dataclasses import dataclass
from typing import Any, Final, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.stored import StoredRun
from turnkeeper_trio._model.times import seconds, utc_pendulum

LONGEST_ERROR: Final = 4096
"""Characters of the message of an error that a store keeps; the same number of its traceback, the last ones."""

LONGEST_VALUE: Final = 64 * 1024
"""Characters of the JSON of a value that a store keeps."""


@final
class StoredError(TurnKeeperError):
    """The error of a run of an earlier process, as the store kept it: as text."""

    def __init__(self, kind: str, message: str, traceback: str) -> None:
        super().__init__(kind, message, traceback)
        self.kind = kind
        """The name of its class."""
        self.message = message
        self.traceback = traceback
        """The end of its traceback, as text."""

    def __str__(self) -> str:
        """Return what was raised: ``ValueError: no such shop``."""
        return f"{self.kind}: {self.message}" if self.message else self.kind


@final
@dataclass(frozen=True, slots=True)
class NotKept(Record):
    """Stands for the value of a run of an earlier process that the store did not keep, because it is not JSON."""

    shown: str
    """The ``repr`` of the value."""

    def __str__(self) -> str:
        """Return the ``repr`` of the value, marked as not kept."""
        return f"<not kept: {self.shown}>"


def error_text(error: BaseException) -> str:
    """Return an error as a JSON object with three texts. It is a user's, so that each of them may fail."""
    if type(error) is StoredError:
        told = {"type": error.kind, "message": error.message, "traceback": error.traceback}
    else:
        message, trace = guard.text(error)[:LONGEST_ERROR], guard.trace(error)[-LONGEST_ERROR:]
        told = {"type": guard.type_name(error), "message": message, "traceback": trace}
    return json.dumps(told)


def read_error(text: str) -> StoredError:
    """Return an error that `error_text` wrote."""
    told = json.loads(text)
    return StoredError(told["type"], told["message"], told["traceback"])


def value_text(value: Any) -> str | None:
    """Return the value of a run as a store keeps it: as JSON, or its ``repr`` if JSON does not have such a value."""
    if value is None:
        return None
    if guard.is_a(value, NotKept):
        return json.dumps({"not_kept": cast("NotKept", value).shown})
    text, fault = guard.call(json.dumps, {"value": value}, allow_nan=False)
    if fault is None and text is not None and len(text) <= LONGEST_VALUE:
        read, fault = guard.call(json.loads, text)
        if fault is None and guard.equal(read, {"value": value}):
            return text
    return json.dumps({"not_kept": guard.shown(value)[:LONGEST_ERROR]})


def read_value(text: str | None) -> Any:
    """Return a value that `value_text` wrote."""
    if text is None:
        return None
    told = json.loads(text)
    return NotKept(told["not_kept"]) if "not_kept" in told else told["value"]


def record_of_row(stored: StoredRun) -> RunRecord:
    """Return the record of a run that has ended, or of an occurrence that did not run, from its row in a store."""
    row = stored.image
    assert row.outcome is not None
    assert row.finished_at is not None
    return RunRecord(
        run_id=RunId(row.run_id),
        job_id=RecurringJobId(stored.job_id),
        name=stored.name,
        origin=row.origin,
        scheduled_at=utc_pendulum(row.scheduled_at),
        due_at=utc_pendulum(row.due_at),
        started_at=None if row.started_at is None else utc_pendulum(row.started_at),
        finished_at=utc_pendulum(row.finished_at),
        attempts=row.attempts,
        outcome=row.outcome,
        value=read_value(row.value),
        error=None if row.error is None else read_error(row.error),
        reason=row.reason,
        lateness=None if row.started_at is None else seconds(row.started_at - row.due_at),
        duration=seconds(row.executed),
        count=row.count,
    )


set_public_path(NotKept)
