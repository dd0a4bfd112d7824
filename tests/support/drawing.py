"""Runs as lines, drawn from the events that an observer is told: one row for each run, one column for each second.

    .  it waits for a worker, or for others of its job       S  succeeded      K  skipped
    =  it executes                                           F  failed         M  missed (M3: three of them)
    -  it waits for a retry, or snoozes                      T  timed out      P  superseded
                                                             C  cancelled      N  never started      I  interrupted

The letter stands at the second at which it ended; a row begins at the second for which it was planned.
"""

import textwrap
from datetime import UTC, datetime
from typing import Any

from turnkeeper_trio import Outcome

START = datetime(2000, 1, 1, tzinfo=UTC)
"""What a scheduler in virtual time shows at first."""

LETTERS = {
    Outcome.SUCCEEDED: "S",
    Outcome.FAILED: "F",
    Outcome.TIMED_OUT: "T",
    Outcome.CANCELLED: "C",
    Outcome.INTERRUPTED: "I",
    Outcome.SKIPPED: "K",
    Outcome.MISSED: "M",
    Outcome.SUPERSEDED: "P",
    Outcome.NEVER_STARTED: "N",
}


class Drawing:
    """An observer. Where several jobs are drawn, each row begins with the name of its job."""

    def __init__(self, start: datetime = START) -> None:
        self.start = start
        self.rows: dict[Any, tuple[int, str, list[tuple[int, str]]]] = {}
        self.reasons: list[str] = []
        """Why what did not succeed ended so, in the order of the ends."""

    def _second(self, at: datetime) -> int:
        seconds = (at - self.start).total_seconds()
        assert seconds == int(seconds), seconds
        return int(seconds)

    def _note(self, event: Any, name: str, sign: str, planned: datetime | None = None) -> None:
        at = self._second(event.at)
        began = at if planned is None else self._second(planned)
        row = self.rows.setdefault(event.run_id, (began, name, []))
        self.rows[event.run_id] = (min(row[0], began), name, [*row[2], (at, sign)])

    def on_run_started(self, event: Any) -> None:
        self._note(event, event.name, "=")

    def on_run_retrying(self, event: Any) -> None:
        self._note(event, event.name, "-")

    def on_run_finished(self, event: Any) -> None:
        record = event.record
        self._note(event, record.name, LETTERS[record.outcome], record.scheduled_at)
        if record.outcome is not Outcome.SUCCEEDED:
            self.reasons.append(record.reason)

    def on_occurrence_skipped(self, event: Any) -> None:
        self._note(event, event.name, LETTERS[event.outcome], event.scheduled_at)
        self.reasons.append(event.reason)

    def on_occurrence_missed(self, event: Any) -> None:
        self._note(event, event.name, "M" if event.count == 1 else f"M{event.count}", event.scheduled_at)
        self.reasons.append(event.reason)

    def __str__(self) -> str:
        several = len({name for _, name, _ in self.rows.values()}) > 1
        lines = []
        for began, name, signs in sorted(self.rows.values(), key=lambda row: row[0]):
            line = " " * began
            sign = "."
            for at, following in signs:
                line += sign * (at - len(line))
                sign = following
            lines.append((f"{name} " if several else "") + line + sign)
        return "\n".join(lines)

    def assert_shows(self, expected: str) -> None:
        """Assert that it is this drawing, whose first line is a ruler: its first column is second 0."""
        lines = textwrap.dedent(expected).strip("\n").splitlines()
        drawn = str(self).splitlines()
        assert [line.rstrip() for line in lines[1:]] == drawn, f"drawn:\n{self}"
