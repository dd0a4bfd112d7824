"""Schedules with one occurrence: `Once`, at an instant, and `After`, a delay after the job is accepted."""

from abc import abstractmethod
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self, final
from zoneinfo import ZoneInfo

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, instant_us, utc_datetime
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import BuiltinSchedule, set_slot
from turnkeeper_trio.schedules._elapsed import ElapsedSchedule
from turnkeeper_trio.schedules._literals import instant_code, instant_from_text, instant_text
from turnkeeper_trio.schedules._zones import Zone, zone, zone_named

__all__ = ["After", "Once"]


def label_us(at: object, timezone: str | tzinfo | None, fold: object) -> tuple[int, Zone | None]:
    """Return the instant that ``at`` names, and its zone if that has an IANA name and is not UTC.

    Args:
        at: An aware datetime; or a naive one, which is a wall label in ``timezone``.
        timezone: The zone of a naive label.
        fold: Which pass of an overlap a naive label means: 0 the first, 1 the second.

    Raises:
        ConfigurationError: ``at`` names no instant, or two.
    """
    if not isinstance(at, datetime):
        raise ConfigurationError(
            f"at must be a datetime, such as datetime(2026, 3, 1, 9, tzinfo=UTC), not {guard.shown(at)}", parameter="at"
        )
    where: Zone | None
    if at.tzinfo is None:
        instant, where = _naive(at, timezone, fold)
    elif timezone is None and fold is None:
        instant, where = _aware(at), _known(at.tzinfo)
    else:
        extra = "timezone" if timezone is not None else "fold"
        raise ConfigurationError(
            f"{extra} belongs to a naive label, and at has a timezone of its own: {guard.shown(at)}; "
            f"leave one of them out",
            parameter=extra,
        )
    if not MIN_INSTANT <= instant <= MAX_INSTANT:
        raise ConfigurationError(f"at is outside the years 1 to 9999 in UTC: {guard.shown(at)}", parameter="at")
    return instant, named_zone(where)


def named_zone(where: Zone | None) -> Zone | None:
    """Return the zone, or ``None`` for UTC, because an instant that is given in UTC belongs to no place."""
    return None if where is None or where.key == "UTC" else where


def _aware(at: datetime) -> int:
    # Rebuilt as a plain datetime, because pendulum's moves a label out of a gap when its fold is replaced.
    first, second = (
        datetime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo, fold=fold)
        for fold in (0, 1)
    )
    instants, fault = guard.call(lambda: (instant_us(first), instant_us(second)))
    if instants is None:
        message = f"at has a timezone that gives no offset: {guard.shown(at)}"
        raise ConfigurationError(message, parameter="at") from fault
    early, late = instants
    if early > late:
        raise ConfigurationError(_gap(at, at.tzinfo, early, late), parameter="at")
    return late if at.fold else early


def _naive(at: datetime, timezone: str | tzinfo | None, fold: object) -> tuple[int, Zone]:
    if timezone is None:
        raise ConfigurationError(
            f"at must have a timezone: {guard.shown(at)} names no instant; write "
            f"datetime(..., tzinfo=ZoneInfo('Europe/Berlin')) or Once({guard.shown(at)}, timezone='Europe/Berlin')",
            parameter="at",
        )
    if fold is not None and (isinstance(fold, bool) or fold not in (0, 1)):
        raise ConfigurationError(
            f"fold must be 0 (the first pass) or 1 (the second), not {guard.shown(fold)}", parameter="fold"
        )
    where = zone(timezone)
    early, late = where.both(instant_us(at.replace(tzinfo=UTC, fold=0)))
    if early > late:
        raise ConfigurationError(_gap(at, where.info, early, late), parameter="at")
    if early < late and fold is None and not at.fold:
        raise ConfigurationError(
            f"at is ambiguous: the clock in {where.key} shows {at.isoformat(' ')} twice; write fold=0 for the first "
            f"time ({utc_datetime(early):%H:%M} UTC) or fold=1 for the second ({utc_datetime(late):%H:%M} UTC)",
            parameter="fold",
        )
    second = at.fold if fold is None else fold
    return (late if second else early), where


def _gap(at: datetime, where: tzinfo | None, early: int, late: int) -> str:
    """Return the message that a label is in a gap; it names the labels that the clock shows instead."""
    length = timedelta(microseconds=early - late)
    label = at.replace(tzinfo=None)
    before = utc_datetime(late).astimezone(where).replace(tzinfo=None)
    after = utc_datetime(early).astimezone(where).replace(tzinfo=None)
    return (
        f"at does not exist: the clock in {where} goes forward by {length} and leaves out {label.isoformat(' ')}; "
        f"write {before.isoformat(' ')} or {after.isoformat(' ')}"
    )


def _known(where: tzinfo | None) -> Zone | None:
    """Return the zone of an aware datetime, or ``None`` if it has no IANA name that is known."""
    if isinstance(where, ZoneInfo) and where.key:
        try:
            return zone(where)
        except ConfigurationError:
            return None  # the offset is known, so the instant is clear without the name
    return None


class _Single(BuiltinSchedule):
    """A schedule with one occurrence."""

    __slots__ = ()

    @abstractmethod
    def _instant(self) -> int:
        """Return the one occurrence; it may lie beyond the year 9999, and then there is none."""

    def next_after_us(self, after: int) -> int | None:
        """Return the one occurrence, if it is later than ``after``."""
        at = self._instant()
        return at if after < at <= MAX_INSTANT else None

    def count_between_us(self, after: int, until: int) -> int:
        """Return 1 if the one occurrence lies in ``(after, until]``, else 0."""
        return int(after < self._instant() <= min(until, MAX_INSTANT))

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the one occurrence if it lies in ``(after, until]``, or ``None``."""
        return self._instant() if self.count_between_us(after, until) else None

    def first_us(self, at: int) -> int | None:  # noqa: ARG002  (it is due, however late)
        """Return the one occurrence, even if it has passed, or ``None`` if it lies beyond the year 9999."""
        instant = self._instant()
        return instant if instant <= MAX_INSTANT else None


@final
class Once(_Single):
    """One occurrence, at an instant.

    Args:
        at: An aware datetime; or, with ``timezone``, a naive one: a wall label in that zone.
        timezone: The zone of a naive label: an IANA name, or a ``ZoneInfo``.
        fold: Which pass is meant if the clock shows a naive label twice: 0 the first, 1 the second.

    Raises:
        ConfigurationError: ``at`` is naive and has no ``timezone``; or is aware and has a ``timezone`` or ``fold``; or
            the clock never shows the label; or it shows a naive label twice, and ``fold`` is not given.
    """

    __slots__ = ("_at", "_zone")
    kind = "once"
    _at: int
    _zone: Zone | None

    def __init__(self, at: datetime, *, timezone: str | tzinfo | None = None, fold: int | None = None) -> None:
        us, where = label_us(at, timezone, fold)
        set_slot(self, "_at", us)
        set_slot(self, "_zone", where)

    @property
    def at(self) -> datetime:
        """The instant, in UTC."""
        return utc_datetime(self._at)

    @property
    def timezone(self) -> str:
        """The IANA name of the zone in which the instant was given; ``"UTC"`` if the zone has none."""
        return "UTC" if self._zone is None else self._zone.key

    @property
    def zones(self) -> frozenset[str]:
        """The zone in which the instant was given, if it has an IANA name and is not UTC."""
        return frozenset() if self._zone is None else frozenset((self._zone.key,))

    def _instant(self) -> int:
        return self._at

    def _meaning(self) -> tuple[object, ...]:
        return (self._at,)  # an instant is the same in each zone

    def _code(self) -> str:
        return instant_code(self._at, self._zone)

    def _fields(self) -> dict[str, Any]:
        return {"at": instant_text(self._at), "timezone": self.timezone}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        at = instant_us(instant_from_text(data["at"]))
        made = cls.__new__(cls)
        set_slot(made, "_at", at)
        set_slot(made, "_zone", named_zone(zone_named(data["timezone"])))
        return made


@final
class After(_Single, ElapsedSchedule):
    """One occurrence, a given time after the job is accepted.

    Args:
        delay: Seconds, or a ``timedelta``; 0, the default, means at once. Instead of it, give units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: The instant from which it is counted, any aware datetime; without it, that of acceptance.

    Raises:
        ConfigurationError: The delay is negative, is no finite number, has months or years, or is given in two ways; or
            ``anchor`` is naive.
    """

    __slots__ = ()
    kind = "after"

    def __init__(
        self,
        delay: float | timedelta = 0,
        *,
        weeks: float | None = None,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
        anchor: datetime | None = None,
    ) -> None:
        if weeks is days is hours is minutes is seconds is None:
            self._fill("delay", delay, anchor, least=0)
        else:
            length = None if delay == 0 else delay
            units = {"weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
            self._fill("delay", length, anchor, least=0, **units)

    @property
    def delay(self) -> timedelta:
        """The time between acceptance and the occurrence."""
        return timedelta(microseconds=self._length)

    def anchored_us(self, at: int) -> Self:
        """Return the delay counted from ``at``; itself if it is bound already."""
        return self._bound_at(at) if self._anchor is None else self

    def _instant(self) -> int:
        if self._anchor is None:
            raise ConfigurationError(
                f"{self!r} is counted from the acceptance of the job, so it has no occurrence yet; "
                f"bind it with anchored(at), or write Once(at)",
                parameter="anchor",
            )
        return self._anchor + self._length


set_public_path(Once, After)
