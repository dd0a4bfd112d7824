"""What happens once: at an instant, which a datetime must name exactly, or after a delay."""

from abc import abstractmethod
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self, final
from zoneinfo import ZoneInfo

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, instant_us, utc_datetime
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import BuiltinSchedule, instant_in_range, set_slot
from turnkeeper_trio.schedules._literals import duration_code, instant_code, instant_from_text, instant_text, total_us
from turnkeeper_trio.schedules._zones import Zone, zone, zone_named

__all__ = ["After", "Once"]


def label_us(at: object, timezone: str | tzinfo | None, fold: object) -> tuple[int, Zone | None]:
    """Return the instant, and the zone it was named in if that has a name and is not UTC.

    Raises:
        ConfigurationError: It names no instant, or two.
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
    """Return a zone, or ``None`` for UTC: an instant given in UTC belongs to no place."""
    return None if where is None or where.key == "UTC" else where


def _aware(at: datetime) -> int:
    # Rebuilt as a plain datetime: pendulum's moves a label out of a gap when its fold is replaced.
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
    """Say that a label does not exist, and which labels around it do."""
    length = timedelta(microseconds=early - late)
    label = at.replace(tzinfo=None)
    before = utc_datetime(late).astimezone(where).replace(tzinfo=None)
    after = utc_datetime(early).astimezone(where).replace(tzinfo=None)
    return (
        f"at does not exist: the clock in {where} goes forward by {length} and leaves out {label.isoformat(' ')}; "
        f"write {before.isoformat(' ')} or {after.isoformat(' ')}"
    )


def _known(where: tzinfo | None) -> Zone | None:
    """Return the zone of an aware datetime if it has an IANA name."""
    if isinstance(where, ZoneInfo) and where.key:
        try:
            return zone(where)
        except ConfigurationError:
            return None  # the instant is clear all the same
    return None


class _Single(BuiltinSchedule):
    """One occurrence."""

    __slots__ = ()

    @abstractmethod
    def _instant(self) -> int:
        """Return the one occurrence."""

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

    def first_us(self, at: int) -> int | None:  # noqa: ARG002  (what happens once is due, however late)
        """Return the one occurrence, even if it has passed."""
        instant = self._instant()
        return instant if instant <= MAX_INSTANT else None


@final
class Once(_Single):
    """Once, at an instant.

    Args:
        at: An aware datetime, taken as it is; or, with ``timezone``, a naive wall label in that zone.
        timezone: The zone of a naive label: an IANA name, or a ``ZoneInfo``.
        fold: Which one is meant (0 the first, 1 the second) if the clock shows the label twice.

    Raises:
        ConfigurationError: The label does not exist, or happens twice and ``fold`` is not given; or ``at`` names no
            instant, or one too many.
    """

    __slots__ = ("_at", "_zone")
    kind = "once"
    _at: int
    _zone: Zone | None

    def __init__(self, at: datetime, *, timezone: str | tzinfo | None = None, fold: int | None = None) -> None:
        """Make the one occurrence."""
        us, zone = label_us(at, timezone, fold)
        set_slot(self, "_at", us)
        set_slot(self, "_zone", zone)

    @property
    def at(self) -> datetime:
        """The instant, in UTC."""
        return utc_datetime(self._at)

    @property
    def timezone(self) -> str:
        """The zone in which the instant was given; ``"UTC"`` if it had no name."""
        return "UTC" if self._zone is None else self._zone.key

    @property
    def zones(self) -> frozenset[str]:
        """The zone in which the instant was given, if it had a name and is not UTC."""
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
class After(_Single):
    """Once, a given time after the job is accepted.

    Args:
        delay: Seconds, or a ``timedelta``; 0, which is the default, is at once. Or else units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: The instant it is counted from, where it is bound already.

    Raises:
        ConfigurationError: The delay is negative or not finite.
    """

    __slots__ = ("_anchor", "_delay")
    kind = "after"
    _delay: int
    _anchor: int | None

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
        """Make the delayed occurrence."""
        units: dict[str, object] = {
            "weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds,
        }  # fmt: skip
        by_units = delay == 0 and any(value is not None for value in units.values())
        set_slot(self, "_delay", total_us("delay", None if by_units else delay, units, least=0))
        set_slot(self, "_anchor", None if anchor is None else instant_in_range("anchor", anchor))

    @property
    def delay(self) -> timedelta:
        """The time between acceptance and the occurrence."""
        return timedelta(microseconds=self._delay)

    @property
    def anchor(self) -> datetime | None:
        """The instant it is counted from, in UTC; ``None`` until it is bound."""
        return None if self._anchor is None else utc_datetime(self._anchor)

    def anchored_us(self, at: int) -> Self:
        """Return the delay counted from ``at``, or itself if it is bound already."""
        if self._anchor is not None:
            return self
        bound = type(self).__new__(type(self))
        set_slot(bound, "_delay", self._delay)
        set_slot(bound, "_anchor", at)
        return bound

    def _instant(self) -> int:
        if self._anchor is None:
            raise ConfigurationError(
                f"{self!r} is counted from the acceptance of the job, so it has no occurrence yet; "
                f"bind it with anchored(at), or write Once(at)",
                parameter="anchor",
            )
        return self._anchor + self._delay

    def _meaning(self) -> tuple[object, ...]:
        return self._delay, self._anchor

    def _code(self) -> str:
        return duration_code(self._delay) + ("" if self._anchor is None else f", anchor={instant_code(self._anchor)}")

    def _fields(self) -> dict[str, Any]:
        anchor = None if self._anchor is None else instant_text(self._anchor)
        return {"microseconds": self._delay, "anchor": anchor}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        anchor = None if data["anchor"] is None else instant_from_text(data["anchor"])
        return cls(timedelta(microseconds=data["microseconds"]), anchor=anchor)
