"""The fields of a cron expression: the values and names that each accepts, and how the text of a field is read."""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
"""The names of the months, in order."""


WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
"""The names of the weekdays, in order. The first is Sunday, because cron counts it as 0."""


class Field(NamedTuple):
    """What one field of an expression accepts."""

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
        """Return a value as text: its name if ``named`` and it has one, else its number."""
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
"""The fields of an expression, in order, by how many it has."""


FULL_NAMES: Final = {
    name: name[:3]
    for name in (
        "JANUARY", "FEBRUARY", "MARCH", "APRIL", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER",
        "DECEMBER", "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "TUES", "WEDS",
        "THUR", "THURS", "SEPT",
    )
}  # fmt: skip
"""Names that people write and cron does not accept, each with the name that it does accept."""


_NUMBER: Final = re.compile(r"[0-9]+")


_LAST: Final = re.compile(r"L(?:-([0-9]+))?(W)?")
"""``L``, ``L-3``, ``LW`` and ``L-3W``."""


_BEFORE_LAST_WEEKDAY: Final = re.compile(r"LW-([0-9]+)")


_TO_LAST: Final = re.compile(r"([0-9]+)-L")


_NEAREST: Final = re.compile(r"([0-9]+)(?:-([0-9]+))?W")


_NTH: Final = re.compile(r"([0-9A-Z]+(?:-[0-9A-Z]+)?)#(.*)")


_OF_LAST: Final = re.compile(r"([0-9]+|[A-Z]{3})L")


_MOST_DIGITS = 4


_ELSEWHERE: Final = {
    "second": "Interval(seconds={})",
    "minute": "Interval(minutes={})",
    "hour": "Interval(hours={})",
    "day of month": "CalendarInterval(days={})",
    "month": "CalendarInterval(months={})",
    "weekday": "CalendarInterval(days={})",
    "year": "CalendarInterval(years={})",
}
"""What to write instead of a step that is larger than the field, by the field's title."""


_STARRED: Final = {"minute": "*/60,0", "hour": "*/24,0", "day of month": "*/31", "weekday": "*/7"}
"""How to write only the first value of a field that must still start with a star, by the field's title."""


_MOST_BEFORE_LAST = 30


_WEEKS = 5


class Refused(Exception):
    """An item of a field is not understood. The message says what is wrong, and what to write instead."""


@dataclass(slots=True)
class Parsed:
    """What a field means. The special days are as in `MonthDays` and `WeekDays` of `_parser`."""

    text: str
    """The field, in upper case."""
    plain: int = 0
    """The mask of the plain values."""
    whole: bool = False
    """Whether the field is only ``*`` or ``?``."""
    before_last: set[int] = field(default_factory=set[int])
    nearest: set[int] = field(default_factory=set[int])
    near_last: set[int] = field(default_factory=set[int])
    before_last_weekday: set[int] = field(default_factory=set[int])
    nth: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    last: set[int] = field(default_factory=set[int])

    @property
    def starred(self) -> bool:
        """Whether the field starts with ``*``, or with ``?``, which means the same."""
        return self.text.startswith(("*", "?"))


def parse_field(kind: Field, text: str) -> Parsed:
    """Return what a field means.

    Raises:
        Refused: An item is not understood.
    """
    text = text.upper()
    parsed = Parsed(text)
    if text == "*" or (text == "?" and (kind is DAY or kind is WEEKDAY)):
        parsed.plain, parsed.whole = _mask(range(kind.low, kind.high + 1)), True
        return parsed
    items = text.split(",")
    for item in items:
        if not item:
            raise Refused("an item of the list is empty; leave out the comma")
        special = (kind is DAY and _day_special(item, parsed)) or (kind is WEEKDAY and _week_special(item, parsed))
        if not special:
            parsed.plain |= _mask(_values(kind, item, alone=len(items) == 1))
    if kind is WEEKDAY and parsed.plain >> WEEKDAY.top & 1:  # 7 is Sunday, as is 0
        parsed.plain = parsed.plain & ~(1 << WEEKDAY.top) | 1
    return parsed


def _mask(values: range) -> int:
    """Return numbers as a mask: bit n is number n."""
    if values.step == 1:
        return (1 << values.stop) - (1 << values.start)
    return int(("0" * (values.step - 1) + "1") * len(values), 2) << values.start


def _day_special(item: str, parsed: Parsed) -> bool:
    """Add ``L``, ``L-n``, ``LW``, ``L-nW``, ``LW-n``, ``n-L``, ``nW`` or ``n-mW``; return whether ``item`` is one."""
    if match := _LAST.fullmatch(item):
        before = 0 if match[1] is None else _number(match[1], 1, _MOST_BEFORE_LAST, "L-1 to L-30")
        (parsed.before_last if match[2] is None else parsed.near_last).add(before)
    elif match := _BEFORE_LAST_WEEKDAY.fullmatch(item):
        parsed.before_last_weekday.add(_number(match[1], 1, _MOST_BEFORE_LAST, "LW-1 to LW-30"))
    elif match := _TO_LAST.fullmatch(item):  # days after the end of a month do not match, so 31 stands for the last
        parsed.plain |= _mask(range(_number(match[1], DAY.low, DAY.high, "1-L to 31-L"), DAY.high + 1))
    elif match := _NEAREST.fullmatch(item):
        first = _number(match[1], DAY.low, DAY.high, "1W to 31W")
        last = first if match[2] is None else _number(match[2], DAY.low, DAY.high, "1W to 31W")
        if last < first:
            raise Refused(f"the range is reversed; write {last}-{first}W")
        parsed.nearest.update(range(first, last + 1))
    elif match := re.fullmatch("([0-9]+)W-([0-9]+)W", item):
        raise Refused(f"of a range, W stands at the end; write {match[1]}-{match[2]}W")
    else:
        return False
    return True


def _week_special(item: str, parsed: Parsed) -> bool:
    """Add ``d#n``, ``d-e#n`` or ``dL``; return whether ``item`` is one."""
    if match := _NTH.fullmatch(item):
        days = _values(WEEKDAY, match[1])
        if twice := re.fullmatch("([1-5])-([0-7]|[A-Z]{3})#([1-5])", match[2]):
            raise Refused(f"of a range, # stands at the end; write {match[1]}-{twice[2]}#{twice[1]}")
        if several := re.fullmatch("([1-5])-([1-5])", match[2]):
            each = [f"{match[1]}#{nth}" for nth in range(int(several[1]), int(several[2]) + 1)]
            raise Refused(f"after # stands one number; write {','.join(each) or f'{match[1]}#{several[1]}'}")
        if not re.fullmatch("0*[1-5]", match[2]):
            raise Refused(
                f"a month has a weekday up to {_WEEKS} times; write {match[1]}#1 to {match[1]}#{_WEEKS}, "
                f"or {match[1]}L for the last one"
            )
        parsed.nth.update((day % 7, int(match[2])) for day in days)
    elif match := _OF_LAST.fullmatch(item):
        parsed.last.add(_value(WEEKDAY, match[1]) % 7)
    else:
        return False
    return True


def _values(kind: Field, item: str, *, alone: bool = True) -> range:
    """Return the values of ``*``, a value or a range, with or without a step.

    ``alone`` says whether the item is the only one of its field.
    """
    base, slash, step_text = item.partition("/")
    if base == "*":
        low, high = kind.low, kind.high
    elif "-" in base:
        low, high = _range(kind, base, step_text)
    else:
        low = _value(kind, base) if base or not slash else _missing_base(item)
        if slash:  # a value with a step goes on to the end of the field: 5/15 means 5-59/15
            low, high = low % 7 if kind is WEEKDAY else low, kind.high
        else:
            high = low
    return range(low, high + 1, _step(kind, base, step_text, alone=alone) if slash else 1)


def _missing_base(item: str) -> int:
    raise Refused(f"what the step applies to is missing; write *{item}")


def _step(kind: Field, base: str, text: str, *, alone: bool) -> int:
    if not text:
        raise Refused(f"the step is missing; write {base}/2, or {base} without a step")
    if "/" in text:
        raise Refused(f"it has two steps; write one, such as {base}/{text.split('/', 1)[0] or 2}")
    step = _digits(text) if _NUMBER.fullmatch(text) else None
    if step is None:
        raise Refused(f"the step {text!r} is not a whole number; write {base}/2")
    if step == 0:
        raise Refused(f"a step of 0 never moves on; write {base}/1 or more")
    if step > kind.top and alone:  # in a list such as */100,1-7 it makes the field start with a star, and is wanted
        once = kind.low if base == "*" else base.split("-", maxsplit=1)[0]
        raise Refused(
            f"the step {text} is larger than the field, which ends at {kind.top}: only {once} would be left; "
            f"write {_STARRED.get(kind.title, once) if base == '*' else once}, or {_ELSEWHERE[kind.title].format(text)}"
        )
    return step


def _range(kind: Field, base: str, step: str) -> tuple[int, int]:
    ends = base.split("-")
    if len(ends) != 2:  # noqa: PLR2004  (both ends)
        raise Refused(f"a range has two ends; write {'-'.join(end for end in (ends[0], ends[-1]) if end) or kind.low}")
    if not all(ends):
        first, last = ends[0] or str(kind.low), ends[1] or str(kind.high)
        raise Refused(f"a range has two ends, and no number has a sign; write {first}-{last}")
    low, high = _value(kind, ends[0]), _value(kind, ends[1])
    if kind is WEEKDAY and ends[1] == "SUN" and low > 0:
        high = WEEKDAY.top  # FRI-SUN ends with the week
    if low > high:
        raise Refused(f"the range is reversed; write {_rewritten(kind, ends, low, high, step)}")
    return low, high


def _rewritten(kind: Field, ends: list[str], low: int, high: int, step: str) -> str:
    """Return a reversed range as a list that means the same: the values go on from the start of the field."""
    named = not all(_NUMBER.fullmatch(end) for end in ends)
    if kind.title == "year":
        return f"{high}-{low}"
    low %= 7 if kind is WEEKDAY else kind.high + 1
    size = kind.high - kind.low + 1
    if _NUMBER.fullmatch(step) and 0 < (stride := _digits(step)) <= size:
        values = range(low, high + (size if low > high else 0) + 1, stride)
        return ",".join(kind.text((value - kind.low) % size + kind.low, named=named) for value in values)
    parts = [(low, high)] if low <= high else [(low, kind.high), (kind.low, high)]
    return ",".join(
        kind.text(first, named=named) + ("" if first == last else f"-{kind.text(last, named=named)}")
        for first, last in parts
    )


def _value(kind: Field, text: str) -> int:
    """Return the value that a number or a name means."""
    if (value := kind.names.get(text)) is not None:
        return value
    if _NUMBER.fullmatch(text):
        return _number(text, kind.low, kind.top, f"{kind.low} to {kind.top}")
    raise Refused(_why(kind, text))


def _number(text: str, low: int, high: int, bounds: str) -> int:
    """Return a number from ``low`` to ``high``; ``bounds`` is how the message names the two."""
    value = _digits(text)
    if not low <= value <= high:
        raise Refused(f"{text} is out of range; write {bounds}")
    return value


def _digits(text: str) -> int:
    """Return a number. One with too many digits becomes 10,000, which no field accepts."""
    text = text.lstrip("0")
    return int(text or "0") if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _why(kind: Field, text: str) -> str:  # noqa: PLR0911  (a return for each mistake)
    """Return what is wrong with a text that is no value of the field, and what to write instead."""
    bounds = f"{kind.low} to {kind.top}" + (f" or {', '.join(kind.names)}" if kind.names else "")
    if "?" in text:
        return f"? stands alone, and only for the day of month or the weekday; write * or {bounds}"
    if text.startswith("+") or "." in text:
        return f"{text!r} is no whole number without a sign; write {bounds}"
    if "*" in text:
        return f"* stands alone or before a step; write * or */2, not {text!r}"
    if (short := FULL_NAMES.get(text)) is not None and short in kind.names:
        return f"names have three letters; write {short}"
    if (short := FULL_NAMES.get(text, text)) in WEEKDAY.names or short in MONTH.names:
        where = WEEKDAY if short in WEEKDAY.names else MONTH
        return f"{text} is the name of a {where.title}, and this is the field of the {kind.title}; write {bounds}"
    if kind is WEEKDAY and text == "L":
        return "L is a day of the month; write SAT for Saturday, or FRIL for the last Friday of the month"
    if kind is WEEKDAY and re.fullmatch("L[0-7]", text):
        return f"the last of a weekday in a month is written {text[1]}L"
    if "L" in text or "W" in text or "#" in text:
        return (
            f"{text!r} is not understood here; the special days are L, L-3, 29-L, LW, L-3W, LW-3, 15W, 1-5W "
            f"(day of month) and FRI#2, MON-FRI#1, FRIL (weekday), without steps"
        )
    return f"{text!r} is not understood; write {bounds}"
