"""`upcoming`: the next occurrences of a schedule, to check it before a job uses it."""

from datetime import datetime

from turnkeeper_trio import _validation
from turnkeeper_trio._model.deferred import pendulum
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT, utc_pendulum
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import _adapter
from turnkeeper_trio.schedules._base import instant_in_range

__all__ = ["upcoming"]


def upcoming(
    schedule: Schedule, *, start: datetime, count: int | None = 10, end: datetime | None = None
) -> "list[pendulum.DateTime]":
    """Return the next occurrences of a schedule, in UTC, for a job that is accepted at ``start``.

    A schedule that is counted from acceptance, such as an `Interval` without ``anchor``, is bound to ``start``. All
    occurrences are later than ``start``, except that of an `After` without delay or a `Once` at ``start``, which is at
    ``start``. They are in UTC, because two datetimes in the two passes of an overlap compare equal in their own zone.

    Args:
        schedule: A schedule, the library's or your own.
        start: Any aware datetime.
        count: How many occurrences at most; ``None`` for all of them, if ``end`` is given.
        end: The last instant that may be returned; ``None`` for no such limit.

    Raises:
        ConfigurationError: An argument makes no sense.
        TurnKeeperError: Your own schedule raised, did not advance, or returned something that is no instant.
    """
    checked = _adapter.checked_schedule("schedule", schedule)
    at = instant_in_range("start", start)
    until = MAX_INSTANT if end is None else instant_in_range("end", end)
    if count is None and end is None:
        raise ConfigurationError("count and end are both missing: a schedule may have no end", parameter="count")
    limit = None if count is None else _validation.integer("count", count, least=0)
    bound = _adapter.anchored_us(checked, at)
    found: list[pendulum.DateTime] = []
    due = _adapter.first_us(bound, at)
    if due is not None and due < at:  # a schedule that happens once, before `start`
        due = _adapter.next_after_us(bound, at)
    while due is not None and due <= until and (limit is None or len(found) < limit):
        found.append(utc_pendulum(due))
        due = _adapter.next_after_us(bound, due)
    return found


set_public_path(upcoming)
