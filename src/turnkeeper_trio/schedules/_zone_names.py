"""Why a time zone name is refused, and which names were probably meant."""

import re
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

_OFFSET = re.compile(r"(?:UTC|GMT|Z)?\s*[+-]\s*\d{1,2}(?::?\d{2})?", re.IGNORECASE)

_ABBREVIATIONS = {
    "ACST": "Australia/Adelaide", "AEDT": "Australia/Sydney", "AEST": "Australia/Sydney", "AKST": "America/Anchorage",
    "AST": "America/Halifax", "AWST": "Australia/Perth", "BRT": "America/Sao_Paulo", "BST": "Europe/London",
    "CAT": "Africa/Maputo", "CDT": "America/Chicago", "CEST": "Europe/Berlin", "CST": "America/Chicago",
    "EAT": "Africa/Nairobi", "EDT": "America/New_York", "EEST": "Europe/Helsinki", "ET": "America/New_York",
    "HKT": "Asia/Hong_Kong", "ICT": "Asia/Bangkok", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul", "MDT": "America/Denver", "MESZ": "Europe/Berlin", "MEZ": "Europe/Berlin",
    "MSK": "Europe/Moscow", "MT": "America/Denver", "NZDT": "Pacific/Auckland", "NZST": "Pacific/Auckland",
    "PDT": "America/Los_Angeles", "PKT": "Asia/Karachi", "PST": "America/Los_Angeles", "PT": "America/Los_Angeles",
    "SAST": "Africa/Johannesburg", "SGT": "Asia/Singapore", "WAT": "Africa/Lagos", "WEST": "Europe/Lisbon",
    "WIB": "Asia/Jakarta", "Z": "UTC",
}  # fmt: skip
_LEAST_LIKENESS = 0.45
_MOST_SUGGESTED = 3
_MOST_COMPARED = 40  # characters of a name that are compared


def refusal(key: str) -> str | None:
    """Return why ``key`` is no name of the tz database, or ``None`` if it is one."""
    if key.startswith(("/", ".", "~", "posix/", "right/")) or "\\" in key or "/." in key or not key.isascii():
        return f"timezone must be an IANA name, not a path: {key!r}{_suggestion(key)}"
    if _OFFSET.fullmatch(key) and not _loads(key):
        return (
            f"timezone must be an IANA name, and {key!r} is an offset, which does not follow the clock changes; "
            f"write the place, as in timezone='Europe/Berlin'"
        )
    if _loads(key) and (_case_matters() or key in known_zones()):
        return None
    return f"timezone {key!r} is not known{_suggestion(key)}"


def _suggestion(key: str) -> str:
    names = closest(key)
    if not names:
        return "; write an IANA name such as 'Europe/Berlin' (zoneinfo.available_timezones() lists them)"
    return f"; did you mean {' or '.join(repr(name) for name in names)}?"


def closest(key: str) -> list[str]:
    """Return the names most like ``key``, the most like first.

    If ``key`` is an abbreviation, that is the name of a zone that uses it. If ``key`` differs from names, or from the
    cities in names, only in case or punctuation, return these names. Otherwise return the names that have the most
    pairs of letters in common with it (Dice's coefficient).
    """
    if (place := _ABBREVIATIONS.get(key.upper())) is not None:
        return [place]
    wanted = _plain(key)
    if not wanted:
        return []
    names = _names()
    city = _plain(key.replace("\\", "/").rsplit("/", 1)[-1])
    if found := names.whole.get(wanted) or names.city.get(city):
        return found[:_MOST_SUGGESTED]
    pairs = _pairs(wanted[:_MOST_COMPARED])
    likeness = {name: 2 * len(pairs & of) / (len(pairs) + len(of)) for name, of in names.pairs}
    close = [name for name, share in likeness.items() if share >= _LEAST_LIKENESS]
    return sorted(close, key=lambda name: (-likeness[name], _rank(name)))[:_MOST_SUGGESTED]


class _Names(NamedTuple):
    """The names of the tz database, prepared for comparison."""

    whole: dict[str, list[str]]
    """The names by their plain spelling."""
    city: dict[str, list[str]]
    """The names by the plain spelling of their last part."""
    pairs: list[tuple[str, frozenset[str]]]
    """Each name with the pairs of adjacent letters in it."""


@cache
def _names() -> _Names:
    names = _Names({}, {}, [])
    for name in sorted(known_zones(), key=_rank):
        plain = _plain(name)
        names.whole.setdefault(plain, []).append(name)
        names.city.setdefault(plain.rsplit("/", 1)[-1], []).append(name)
        names.pairs.append((name, _pairs(plain)))
    return names


@cache
def known_zones() -> frozenset[str]:
    """Return the names in the installed tz database. Its directory is read once."""
    return frozenset(available_timezones())


@cache
def _case_matters() -> bool:
    """Return whether the look-up of a zone distinguishes upper and lower case, which depends on the file system.

    If it does not, a name must also be in the list of names.
    """
    return not _loads("uTc")


def _loads(key: str) -> bool:
    try:
        ZoneInfo(key)
    except (LookupError, ValueError, OSError):
        return False
    return True


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum() or char in "/+")


def _rank(name: str) -> tuple[bool, str]:
    """Return the sort key that puts places (Europe/Berlin) before names without a place (CET)."""
    return "/" not in name, name


def _pairs(plain: str) -> frozenset[str]:
    padded = f"^{plain}$"
    return frozenset(padded[at : at + 2] for at in range(len(padded) - 1))
