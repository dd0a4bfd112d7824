"""Lines of a run log: those that a test expects, and those of records. Also how instants are shown in a timezone."""

import re
from datetime import datetime
from typing import Final, final

import pendulum

from turnkeeper_trio._model.run import Outcome, RunRecord
from turnkeeper_trio._model.times import MICROSECONDS, instant_us, utc_pendulum
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._zones import zone
from turnkeeper_trio.schedules.once import label_us


@final
class Local:
    """The wall clock of a timezone: reads labels and shows instants."""

    def __init__(self, timezone: str) -> None:
        """Make the wall clock of a timezone, an IANA name.

        Raises:
            ConfigurationError: There is no such timezone.
        """
        self._zone: Final = zone(timezone)
        self._pendulum = pendulum.timezone(self._zone.key)

    @property
    def timezone(self) -> str:
        """The name of the timezone."""
        return self._zone.key

    def instant(self, name: str, value: object) -> int:
        """Return the instant that a datetime, or its text, names; without an offset it is a label in this timezone.

        Raises:
            ConfigurationError: ``value`` names no instant, or two; the message calls it ``name``.
        """
        at = value
        if isinstance(value, str):
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                raise ConfigurationError(
                    f"{name} must be a datetime or a text such as '2026-03-28 09:00', not {value!r}", parameter=name
                ) from None
        try:
            naive = isinstance(at, datetime) and at.tzinfo is None
            return label_us(at, self._zone.key if naive else None, None)[0]
        except ConfigurationError as exc:
            said = str(exc).replace("at ", f"{name} ", 1)
            if isinstance(value, str) and " is ambiguous" in said:
                # A text has no fold: an offset says which of two passes is meant.
                said = f"{said.partition('; write ')[0]}; write its offset, too, such as '{value}+02:00'"
            raise ConfigurationError(said, parameter=name) from None

    def read(self, us: int) -> pendulum.DateTime:
        """Return an instant, in microseconds, as a datetime in this timezone."""
        return self.convert(utc_pendulum(us))

    def convert(self, at: pendulum.DateTime) -> pendulum.DateTime:
        """Return a datetime in this timezone."""
        return at if self._zone.key == "UTC" else at.in_timezone(self._pendulum)

    def show(self, us: int) -> str:
        """Return the label of an instant. It has seconds only if they are not 0, and an offset only in an overlap."""
        at = self._zone.local(us)
        label = f"{at:%Y-%m-%d %H:%M}"
        if at.second or us % MICROSECONDS:
            label += f":{at:%S}"
        if us % MICROSECONDS:
            label += f".{us % MICROSECONDS:06}".rstrip("0")
        offset = self._zone.offset(us)
        first, second = self._zone.both(us + offset)
        if first != second:
            minutes = offset // (60 * MICROSECONDS)
            label += f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        return label


OK: Final = "ok"
"""The outcome, in a line, of a run that succeeded."""


_OUTCOMES: Final = "|".join([OK, *(outcome.value for outcome in Outcome)])


_LINE: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d\S*) +(?P<name>\S.*?) +"
    rf"(?P<outcome>{_OUTCOMES})(?: +(?P<rest>.*))?"
)


_DETAIL: Final = re.compile(r"(attempts|count|late|took)=(\S+)")


@final
class LogLine:
    """The line of a record."""

    def __init__(self, when: str, name: str, outcome: str, details: dict[str, str], reason: str) -> None:
        self.key = (when, name, outcome)
        """What an expected line must be equal in."""
        self.outcome = outcome
        self.details = details
        self.reason = reason
        """The error, or the reason that the record has."""
        shown = [f"{detail}={value}" for detail, value in details.items()]
        self.text = " ".join([when, name, outcome, *shown, *([reason] if reason else [])])


@final
class Expected:
    """A line that a test expects."""

    def __init__(self, text: str) -> None:
        """Read a line.

        Raises:
            ConfigurationError: It is no line of a run log.
        """
        self.text = text
        self.anything = text == "..."
        """Whether it stands for any number of lines."""
        match = _LINE.fullmatch(text)
        if self.anything or match is None:
            if not self.anything:
                raise ConfigurationError(
                    f"this is no line of a run log: {text!r}; write '2026-03-30 09:00 name ok', with the outcome one "
                    f"of {_OUTCOMES.replace('|', ', ')}",
                    parameter="expected",
                )
            self.key = ("...", "", "")
            return
        outcome = OK if match["outcome"] == Outcome.SUCCEEDED else match["outcome"]
        self.key = (_label(match["date"], match["time"]), match["name"], outcome)
        rest = match["rest"] or ""
        self._details = dict(_DETAIL.findall(rest))
        self._reason = _DETAIL.sub("", rest).strip()

    def fits(self, line: LogLine) -> bool:
        """Return whether the line of a record has all that is expected."""
        return (
            self.key == line.key
            and all(line.details.get(detail) == value for detail, value in self._details.items())
            and self._reason in line.reason
        )


def _label(date: str, time: str) -> str:
    """Return a label in the form of `Local.show`: without seconds if they are 0.

    Raises:
        ConfigurationError: It is no date and time.
    """
    try:
        datetime.fromisoformat(f"{date} {time}")
    except ValueError as exc:
        raise ConfigurationError(f"this is no time: '{date} {time}' ({exc})", parameter="expected") from None
    return f"{date} " + re.sub(r"^(\d\d:\d\d):00(?![.\d])", r"\1", time)


def line_of(record: RunRecord, local: Local) -> LogLine:
    """Return the line of a record."""
    details = {
        "attempts": str(record.attempts) if record.attempts > 1 else "",
        "count": str(record.count) if record.count > 1 else "",
        "late": _duration(record.lateness or 0.0),
        "took": _duration(record.duration),
    }
    error = record.error
    reason = record.reason if error is None else f"{type(error).__name__}: {error}"
    return LogLine(
        local.show(instant_us(record.started_at or record.scheduled_at)),
        record.name,
        OK if record.outcome is Outcome.SUCCEEDED else record.outcome.value,
        {name: value for name, value in details.items() if value},
        reason,
    )


def _duration(seconds: float) -> str:
    """Return a duration as text, such as ``1h30m`` or ``0.25s``; empty if it is 0."""
    us = round(seconds * 1_000_000)
    parts: list[str] = []
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)):
        if us >= size:
            parts.append(f"{us // size}{unit}")
            us %= size
    if us:
        parts.append(f"{us / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
