"""What a schedule is made of is refused at the call, whatever its text raises: the refusal raised that instead.

Cause: the messages of the constructors showed what they had been given by ``{value!r}``.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, NoReturn

import pytest
from tests.support.hostile import FAULTS, hostile

from turnkeeper_trio import (
    WORKDAYS,
    After,
    AnyOf,
    Between,
    CalendarInterval,
    ConfigurationError,
    Cron,
    Except,
    FixedDelay,
    Interval,
    Once,
    RecurringJobRequest,
    VirtualClock,
    WeekdayTimes,
)

EVERY_DAY = Interval(days=1)
MAKERS: dict[str, Callable[[Any], object]] = {
    "After": After,
    "AnyOf": AnyOf,
    "Between.end": lambda value: Between(EVERY_DAY, end=value),
    "Between.schedule": lambda value: Between(value, start=datetime(2030, 1, 1, tzinfo=UTC)),
    "CalendarInterval.at": lambda value: CalendarInterval(days=1, at=value),
    "CalendarInterval.days": lambda value: CalendarInterval(days=value),
    "CalendarInterval.start": lambda value: CalendarInterval(days=1, start=value),
    "Cron": Cron,
    "Cron.timezone": lambda value: Cron("* * * * *", timezone=value),
    "Except.excluded": lambda value: Except(EVERY_DAY, value),
    "Except.first": lambda value: Except(EVERY_DAY, (value, date(2030, 1, 1))),
    "FixedDelay": FixedDelay,
    "Interval": Interval,
    "Interval.anchor": lambda value: Interval(days=1, anchor=value),
    "Interval.months": lambda value: Interval(months=value),
    "Interval.seconds": lambda value: Interval(seconds=value),
    "Interval.from_json": Interval.from_json,
    "Interval.from_json.kind": lambda value: Interval.from_json({"kind": value}),
    "Interval.from_json.version": lambda value: Interval.from_json({"kind": "interval", "version": value}),
    "Once": Once,
    "Once.fold": lambda value: Once(datetime(2030, 1, 1), timezone="UTC", fold=value),  # noqa: DTZ001  (a label)
    "WeekdayTimes": WeekdayTimes,
    "WeekdayTimes.pair": lambda value: WeekdayTimes([value]),
    "WeekdayTimes.day": lambda value: WeekdayTimes([(value, time(9))]),
    "WeekdayTimes.time": lambda value: WeekdayTimes.on(WORKDAYS, value),
    "WeekdayTimes.on": lambda value: WeekdayTimes.on(value, time(9)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_its_text_is_asked_through_the_guard(make: Callable[[Any], object], fault: type[BaseException]) -> None:
    with pytest.raises(ConfigurationError, match="whose repr raises"):
        make(hostile("__repr__", fault)())


class Nowhere(tzinfo):
    """A timezone whose offset raises."""

    def __init__(self, fault: type[BaseException]) -> None:
        self.fault = fault

    def utcoffset(self, when: datetime | None) -> NoReturn:
        raise self.fault(when)


INSTANTS: dict[str, Callable[[datetime], object]] = {
    "Once": Once,
    "Interval": lambda at: Interval(days=1, anchor=at),
    "CalendarInterval": lambda at: CalendarInterval(days=1, start=at),
    "Between": lambda at: Between(EVERY_DAY, start=at),
    "with_initial_run_time": RecurringJobRequest("job", EVERY_DAY).with_initial_run_time,
    "VirtualClock": VirtualClock,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", INSTANTS.values(), ids=INSTANTS)
def test_so_is_the_offset_of_its_timezone(make: Callable[[datetime], object], fault: type[BaseException]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(datetime(2030, 1, 1, tzinfo=Nowhere(fault)))
    assert isinstance(caught.value.__cause__, fault)


@pytest.mark.parametrize("method", ["__lt__", "__eq__", "__mul__", "__round__", "__float__", "__int__", "__class__"])
def test_a_number_of_a_class_of_ones_own_is_taken_as_the_number_that_it_is(method: str) -> None:
    """Its comparisons raised in the engine, or at the call, though it is a number."""
    for base in (int, float):
        number = hostile(method, FAULTS[1], base)(3)
        request = RecurringJobRequest("job", EVERY_DAY, timeout=number, start_deadline=number)
        assert (request.timeout_us, request.start_deadline_us) == (3_000_000, 3_000_000)
