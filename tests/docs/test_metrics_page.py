"""The tables of docs/metrics.md name every number and every event, and each field of an event."""

import dataclasses
import re
from pathlib import Path

from turnkeeper_trio import MetricsSnapshot, events
from turnkeeper_trio.events import Event

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table under a row of headings."""
    lines = PAGE.split(heading, 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_number_is_there_in_its_order() -> None:
    names = [row[0].strip("`") for row in table("| name | kind | counts |")]
    assert names == [field.name for field in dataclasses.fields(MetricsSnapshot)]


def test_every_event_is_there_with_its_fields() -> None:
    common = {field.name for field in dataclasses.fields(Event)}
    said = {
        re.findall(r"\w+", row[0])[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in table("| event | further fields | when |")
    }
    are = {
        name: {field.name for field in dataclasses.fields(getattr(events, name))} - common
        for name in events.__all__
        if name != "Event"
    }
    assert said == are
