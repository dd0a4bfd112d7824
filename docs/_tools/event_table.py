"""Makes the table of events from the classes: ``python docs/_tools/event_table.py``.

``tests/docs/test_events.py`` compares the page with it.
"""

import inspect
import re
from dataclasses import fields
from pathlib import Path

from turnkeeper_trio import events

PAGE = Path(__file__).parents[1] / "howto" / "events.md"
TABLE = re.compile(r"(<!-- events -->\n)(?P<rows>.*?)(\n\n)", re.DOTALL)
COMMON = [field.name for field in fields(events.Event)]

GROUPS = {
    "jobs": ("JobAdded JobUpdated JobPaused JobResumed JobHalted JobCancelled JobFinished JobDeleted", "`job_id`"),
    "runs": ("RunStarted RunRetrying RunStuck RunFinished", "`job_id`, `run_id`"),
    "occurrences": ("OccurrenceSkipped OccurrenceMissed", "`job_id`, `run_id`"),
    "the scheduler": ("ClockStepped ShutdownStarted SchedulerStopped", "neither"),
    "a subscriber": ("Lagged", "neither"),
}
"""The events by what they are about, and which ids they carry."""


def rows() -> str:
    """Return the table."""
    lines = ["| event | published when | fields of its own |", "|---|---|---|"]
    for about, (names, ids) in GROUPS.items():
        lines.append(f"| **about {about}** | carries {ids} | |" if ids != "neither" else f"| **about {about}** | | |")
        lines += [_row(getattr(events, name)) for name in names.split()]
    return "\n".join(lines)


def _row(kind: type) -> str:
    told = " ".join((inspect.getdoc(kind) or "").split("\n\n", 1)[0].split()).replace("``", "`")
    own = ", ".join(f"`{field.name}`" for field in fields(kind) if field.name not in COMMON)
    return f"| `{kind.__name__}` | {told} | {own} |"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(TABLE.sub(lambda found: f"{found[1]}{rows()}{found[3]}", text), "utf-8")
