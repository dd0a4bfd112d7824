"""Which instant a datetime given to `Once` names, if it names exactly one."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from turnkeeper_trio._model.instants import MAX_INSTANT, MIN_INSTANT, instant_us, utc_datetime
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._zones import Zone, zone


def label_us(at: object, timezone: str | tzinfo | None, fold: object) -> tuple[int, Zone | None]:
    """Return the instant, and the zone it was named in if that has a name and is not UTC.

    Raises:
        ConfigurationError: It names no instant, or two.
    """
    if not isinstance(at, datetime):
        raise ConfigurationError(
            f"at must be a datetime, such as datetime(2026, 3, 1, 9, tzinfo=UTC), not {at!r}", parameter="at"
        )
    where: Zone | None
    if at.tzinfo is None:
        instant, where = _naive(at, timezone, fold)
    elif timezone is None and fold is None:
        instant, where = _aware(at), _known(at.tzinfo)
    else:
        extra = "timezone" if timezone is not None else "fold"
        raise ConfigurationError(
            f"{extra} belongs to a naive label, and at has a timezone of its own: {at!r}; leave one of them out",
            parameter=extra,
        )
    if not MIN_INSTANT <= instant <= MAX_INSTANT:
        raise ConfigurationError(f"at is outside the years 1 to 9999 in UTC: {at!r}", parameter="at")
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
    try:
        early, late = instant_us(first), instant_us(second)
    except ValueError:
        raise ConfigurationError(f"at has a timezone that gives no offset: {at!r}", parameter="at") from None
    if early > late:
        raise ConfigurationError(_gap(at, at.tzinfo, early, late), parameter="at")
    return late if at.fold else early


def _naive(at: datetime, timezone: str | tzinfo | None, fold: object) -> tuple[int, Zone]:
    if timezone is None:
        raise ConfigurationError(
            f"at must have a timezone: {at!r} names no instant; write datetime(..., tzinfo=ZoneInfo('Europe/Berlin')) "
            f"or Once({at!r}, timezone='Europe/Berlin')",
            parameter="at",
        )
    if fold is not None and (isinstance(fold, bool) or fold not in (0, 1)):
        raise ConfigurationError(f"fold must be 0 (the first pass) or 1 (the second), not {fold!r}", parameter="fold")
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
