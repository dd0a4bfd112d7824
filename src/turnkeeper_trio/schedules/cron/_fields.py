"""The fields of a cron expression: their ranges and their names."""

from typing import Final, NamedTuple

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
"""January first."""

WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
"""Sunday first, as cron counts: 0, and 7 as well."""


class Field(NamedTuple):
    """What one field may hold."""

    title: str
    """What messages call it."""
    low: int
    """The lowest value."""
    high: int
    """The highest value that ``*`` stands for."""
    names: dict[str, int]
    """The names that may stand for values."""
    top: int
    """The highest number that may be written: ``high``, or 7 for Sunday."""

    def text(self, value: int, *, named: bool) -> str:
        """Return a value as it was written: by its name, or as a number."""
        return next((name for name, number in self.names.items() if named and number == value), str(value))


def _field(title: str, low: int, high: int, names: dict[str, int] | None = None, top: int | None = None) -> Field:
    return Field(title, low, high, names or {}, high if top is None else top)


SECOND: Final = _field("second", 0, 59)
MINUTE: Final = _field("minute", 0, 59)
HOUR: Final = _field("hour", 0, 23)
DAY: Final = _field("day of month", 1, 31)
MONTH: Final = _field("month", 1, 12, {name: number for number, name in enumerate(MONTHS, start=1)})
WEEKDAY: Final = _field("weekday", 0, 6, {name: number for number, name in enumerate(WEEKDAYS)}, top=7)
YEAR: Final = _field("year", 1970, 9999)

LAYOUTS: Final = {
    5: (MINUTE, HOUR, DAY, MONTH, WEEKDAY),
    6: (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY),
    7: (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR),
}
"""The fields by their number."""

FULL_NAMES: Final = {
    name: name[:3]
    for name in (
        "JANUARY", "FEBRUARY", "MARCH", "APRIL", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER",
        "DECEMBER", "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "TUES", "WEDS",
        "THUR", "THURS", "SEPT",
    )
}  # fmt: skip
"""Names that people write, and cron does not take."""
