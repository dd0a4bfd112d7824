"""Reading a schedule before it runs."""

from datetime import datetime

import pendulum

from turnkeeper_trio import _validation
from turnkeeper_trio._model.times import MAX_INSTANT, utc_pendulum
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import _adapter
from turnkeeper_trio.schedules._base import instant_in_range

__all__ = ["upcoming"]


def upcoming(
    schedule: Schedule, *, start: datetime, count: int | None = 10, end: datetime | None = None
) -> list[pendulum.DateTime]:
    """Return the next occurrences of a schedule, in UTC: those of a job that is accepted at ``start``.

    What is counted from acceptance is bound to ``start``. Occurrences are later than ``start`` (an `After` without
    delay is due at ``start`` itself), and not later than ``end``. UTC, since in a zone the two passes of an
    overlap hour compare equal.

    Args:
        schedule: A schedule, the library's or one's own.
        start: Any aware datetime.
        count: How many at most; ``None``, with ``end``, is all of them.
        end: The last instant that may be in the answer; ``None`` for no such limit.

    Raises:
        ConfigurationError: An argument makes no sense.
        TurnKeeperError: A schedule of one's own raised, or did not advance.
    """
    asked = _adapter.schedule("schedule", schedule)
    at = instant_in_range("start", start)
    until = MAX_INSTANT if end is None else instant_in_range("end", end)
    if count is None and end is None:
        raise ConfigurationError("count and end are both missing: a schedule may have no end", parameter="count")
    limit = None if count is None else _validation.integer("count", count, least=0)
    bound = _adapter.anchored_us(asked, at)
    found: list[pendulum.DateTime] = []
    due = _adapter.first_us(bound, at)
    if due is not None and due < at:  # something that happens once, and has passed
        due = _adapter.next_after_us(bound, at)
    while due is not None and due <= until and (limit is None or len(found) < limit):
        found.append(utc_pendulum(due))
        due = _adapter.next_after_us(bound, due)
    return found
