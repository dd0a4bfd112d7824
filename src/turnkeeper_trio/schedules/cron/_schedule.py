"""`Cron`: the schedule that a cron expression means."""

from datetime import tzinfo
from functools import lru_cache
from typing import Any, Self, final

from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio.schedules._base import set_slot
from turnkeeper_trio.schedules._wall_clock import next_every_pass, next_once
from turnkeeper_trio.schedules._wall_schedule import WallSchedule
from turnkeeper_trio.schedules._zones import DAY, Zone, zone
from turnkeeper_trio.schedules.cron._explain import sentence
from turnkeeper_trio.schedules.cron._labels import CronLabels
from turnkeeper_trio.schedules.cron._parser import Spec, never_fires, normal, parse


@final
class Cron(WallSchedule):
    """The times that a cron expression means, by the wall clock of a zone.

    Five fields are minute, hour, day of month, month and weekday. Six fields have the second first. Seven fields have
    the second first and the year last. Each field is ``*``, or a list of values, ranges (``9-17``) and steps (``*/15``,
    ``8-18/2``, ``5/15``). Months and weekdays may be names, in any case; Sunday is 0 or 7. Special days of the month
    are ``L``, ``L-n``, ``n-L``, ``LW``, ``L-nW``, ``LW-n``, ``nW`` and ``n-mW``; special weekdays are ``d#n``,
    ``d-e#n`` and ``dL``. In the two fields of days, ``?`` means ``*``. Aliases: ``@yearly @annually @monthly @weekly
    @daily @midnight @hourly``.

    If one of the two fields of days starts with ``*`` or is ``?``, a day must match both fields. If neither does, a day
    must match at least one of them. This is the rule of crontab(5) in Vixie cron.

    When the clock changes, the rule depends on the minute and hour fields, as in Vixie cron. If neither of them starts
    with ``*``, each time is one occurrence: at the end of the gap if the clock leaves the time out, at the first pass
    if the clock shows it twice. If one of them starts with ``*``, there is an occurrence whenever the clock shows such
    a time: none in a gap, two in an overlap. The fields of the second and the year do not matter for this.

    Args:
        expression: The expression.
        timezone: An IANA name, or a ``ZoneInfo``.

    Raises:
        ConfigurationError: The expression is not understood, or has no occurrence; the message says what to write
            instead. Or the zone is unknown.
    """

    __slots__ = ("_expression", "_labels", "_spec")
    kind = "cron"
    _expression: str
    _spec: Spec
    _labels: CronLabels

    def __init__(self, expression: str, *, timezone: str | tzinfo = "UTC") -> None:
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
        """The expression as it was given, with single spaces."""
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
        """Return what the expression means, in words: ``at 09:30 on Monday to Friday, Europe/Berlin``."""
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
    """Return the labels that a `Spec` means. All schedules with an equal `Spec` share one object."""
    return CronLabels(spec)


def _in_zone(where: Zone, spec: Spec, labels: CronLabels) -> bool:
    """Return whether an expression with years has an occurrence; none, if all of its labels are in gaps."""
    start = -2 * DAY  # before the first label, because the field of the year begins with 1970
    return (next_every_pass if spec.every_pass else next_once)(where, labels, start) is not None


set_public_path(Cron)
