"""Cron expressions."""

from datetime import tzinfo
from functools import lru_cache
from typing import Any, Self, final

from turnkeeper_trio.schedules._base import set_slot
from turnkeeper_trio.schedules._wall_clock import WallSchedule, next_every_pass, next_once
from turnkeeper_trio.schedules._zones import Zone, zone
from turnkeeper_trio.schedules.cron._explain import sentence
from turnkeeper_trio.schedules.cron._labels import CronLabels
from turnkeeper_trio.schedules.cron._parser import Spec, never_fires, normal, parse


@final
class Cron(WallSchedule):
    """What a cron expression says, by the wall clock of a zone.

    Five fields are minute, hour, day of month, month, weekday; six have the second first; seven have the second first
    and the year last. Each is ``*``, or a list of values, ranges (``9-17``) and steps (``*/15``, ``8-18/2``, ``5/15``),
    with names for months and weekdays in any case; 0 and 7 are Sunday. Special days of the month are ``L``, ``L-n``,
    ``LW`` and ``nW``, special weekdays ``d#n`` and ``dL``; ``?`` is ``*`` in the two fields of days. Aliases:
    ``@yearly @annually @monthly @weekly @daily @midnight @hourly``.

    If both fields of days are given, a day must match either; if one of them starts with ``*``, it must match both
    (crontab(5), Vixie cron).

    When clocks change: if neither the minute nor the hour field starts with ``*``, each time happens once, at the end
    of the gap if the clock leaves it out, the first time if it is shown twice. If one of them does, it happens
    whenever the clock shows such a time: not in a gap, and twice in an overlap. A second or a year changes neither.

    Args:
        expression: The expression.
        timezone: An IANA name, or a ``ZoneInfo``.

    Raises:
        ConfigurationError: The expression is not understood, or can never fire; the message says what to write.
    """

    __slots__ = ("_expression", "_labels", "_spec")
    kind = "cron"
    _expression: str
    _spec: Spec
    _labels: CronLabels

    def __init__(self, expression: str, *, timezone: str | tzinfo = "UTC") -> None:
        """Read the expression."""
        text = normal(expression)
        spec = parse(text)
        labels = _labels_of(spec)
        where = zone(timezone)
        if not labels.exist or (spec.years is not None and not _in_zone(where, spec, labels)):
            raise never_fires(text)
        set_slot(self, "_expression", text)
        set_slot(self, "_spec", spec)
        set_slot(self, "_labels", labels)
        set_slot(self, "_zone", where)

    @property
    def expression(self) -> str:
        """The expression, with single spaces."""
        return self._expression

    @property
    def labels(self) -> CronLabels:
        """The set of wall labels."""
        return self._labels

    @property
    def every_pass(self) -> bool:
        """Whether the minute or hour field starts with ``*``."""
        return self._spec.every_pass

    def explain(self) -> str:
        """Return what the expression says, as a sentence: ``at 09:30 on Monday to Friday, Europe/Berlin``."""
        return f"{sentence(self._spec)}, {self._zone.key}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._expression, self._zone)

    def _meaning(self) -> tuple[object, ...]:
        return self._spec, self._zone.key

    def _code(self) -> str:
        return f"{self._expression!r}, timezone={self._zone.key!r}"

    def _fields(self) -> dict[str, Any]:
        return {"expression": self._expression, "timezone": self._zone.key}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        return cls(data["expression"], timezone=data["timezone"])


def _remade(expression: str, where: Zone) -> Cron:
    return Cron(expression, timezone=where.key)


@lru_cache(maxsize=1024)
def _labels_of(spec: Spec) -> CronLabels:
    """Return the labels of a meaning, one object for all jobs that share it."""
    return CronLabels(spec)


def _in_zone(where: Zone, spec: Spec, labels: CronLabels) -> bool:
    """Return whether a schedule of certain years has an occurrence, which a gap of the clock can prevent."""
    years = (labels.first_year - 1970) * 366 * 86_400_000_000 if labels.first_year < 1970 else 0  # noqa: PLR2004  (the epoch)
    start = years - 2 * 86_400_000_000
    return (next_every_pass if spec.every_pass else next_once)(where, labels, start) is not None
