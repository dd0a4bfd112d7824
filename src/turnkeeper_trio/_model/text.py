"""How records show durations, counts, errors and instants to people."""

from collections.abc import Iterable
from datetime import UTC, datetime

from turnkeeper_trio._model import guard


def duration_text(seconds: float) -> str:
    """Return a duration, given in seconds, for people: with three digits and a fitting unit, as ``12.3 ms``."""
    for most, factor, unit in ((0.9995e-3, 1e6, "µs"), (0.9995, 1e3, "ms"), (99.95, 1, "s"), (5999.5, 1 / 60, "min")):
        if abs(seconds) < most:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds / 3600)} h"


def _three_digits(value: float) -> str:
    places = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0  # noqa: PLR2004  (three digits)
    return f"{value:.{places}f}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``"1 attempt"`` or ``"3 attempts"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def error_text(error: BaseException) -> str:
    """Return the text of an error; its type comes first if the text is empty or one word, because that says little."""
    kind = guard.type_name(error)
    text, fault = guard.call(lambda: str.__str__(str(error)).strip())
    if text is None or fault is not None:
        return f"{kind} (its text cannot be shown)"
    if " " in text:
        return text
    return f"{kind}: {text}" if text else kind


def listed(parts: Iterable[str]) -> str:
    """Return the parts that are not empty, separated by commas."""
    return ", ".join(filter(None, parts))


def instant_text(at: datetime) -> str:
    """Return an instant for people: ``2026-01-05 08:00:00 UTC``, with a fraction of a second only if it has one."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return f"{text} UTC"
