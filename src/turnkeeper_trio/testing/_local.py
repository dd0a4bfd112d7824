"""Instants as a test writes and reads them: on the wall clock of one zone."""

from datetime import datetime
from typing import Final, final

import pendulum

from turnkeeper_trio._model.instants import MICROSECONDS, utc_pendulum
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._once_at import label_us
from turnkeeper_trio.schedules._zones import zone


@final
class Local:
    """The wall clock of a zone."""

    def __init__(self, timezone: str) -> None:
        """Read wall clocks in this zone.

        Raises:
            ConfigurationError: there is no such zone.
        """
        self._zone: Final = zone(timezone)
        self._pendulum = pendulum.timezone(self._zone.key)

    @property
    def timezone(self) -> str:
        """The name of the zone."""
        return self._zone.key

    def instant(self, name: str, value: object) -> int:
        """Return the instant that a datetime, or its text, names; without an offset it is a label in this zone.

        Raises:
            ConfigurationError: it names no instant, or two.
        """
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ConfigurationError(
                    f"{name} must be a datetime or a text such as '2026-03-28 09:00', not {value!r}", parameter=name
                ) from None
        try:
            naive = isinstance(value, datetime) and value.tzinfo is None
            return label_us(value, self._zone.key if naive else None, None)[0]
        except ConfigurationError as exc:
            raise ConfigurationError(str(exc).replace("at ", f"{name} ", 1), parameter=name) from None

    def read(self, us: int) -> pendulum.DateTime:
        """Return an instant as a datetime in this zone."""
        return self.convert(utc_pendulum(us))

    def convert(self, at: pendulum.DateTime) -> pendulum.DateTime:
        """Return a datetime in this zone."""
        return at if self._zone.key == "UTC" else at.in_timezone(self._pendulum)

    def show(self, us: int) -> str:
        """Return the label of an instant, as short as is clear: with the offset only where the clock shows it twice."""
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
