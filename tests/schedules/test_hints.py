"""What an error says: the name of a parameter of the function that was called, and what to write instead."""

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

import turnkeeper_trio.schedules
from turnkeeper_trio import (
    EVERY_DAY,
    WEEKEND,
    WORKDAYS,
    AnyOf,
    Between,
    CalendarInterval,
    ConfigurationError,
    Cron,
    Except,
    Interval,
    JobSet,
    Never,
    Once,
    RecurringJobRequest,
    WeekdayTimes,
    upcoming,
)

AT = datetime(2030, 1, 1, 9, tzinfo=UTC)
NAIVE = datetime(2030, 1, 1, 9)  # noqa: DTZ001  (as a newcomer writes it)


def given_instead(value: Any) -> Iterator[Callable[[], object]]:
    """Yield each way to give something where a schedule belongs."""
    yield lambda: RecurringJobRequest("job", value)
    yield lambda: RecurringJobRequest("job").replace(schedule=value)
    if value is not None:  # which stands for no schedule there
        yield lambda: JobSet().job("job", value)(print)
    yield lambda: AnyOf(Never(), value)
    yield lambda: Interval(5) | value
    yield lambda: value | Interval(5)
    yield lambda: Between(value, AT)
    yield lambda: Except(value, date(2030, 1, 1))
    yield lambda: upcoming(value, start=AT)


@pytest.mark.parametrize(
    ("value", "code", "meant"),
    [
        ("0 9 * * *", "Cron('0 9 * * *')", Cron("0 9 * * *")),
        ("@daily", "Cron('@daily')", Cron("@daily")),
        ("09:30", "WeekdayTimes.on(EVERY_DAY, time(9, 30))", WeekdayTimes.on(EVERY_DAY, time(9, 30))),
        (time(9), "WeekdayTimes.on(EVERY_DAY, time(9))", WeekdayTimes.on(EVERY_DAY, time(9))),
        (5, "Interval(seconds=5)", Interval(5)),
        (0.5, "Interval(seconds=0.5)", Interval(0.5)),
        (timedelta(hours=1), "Interval(hours=1)", Interval(hours=1)),
        (AT, "Once(datetime(2030, 1, 1, 9, 0, tzinfo=ZoneInfo('UTC')))", Once(AT)),
        (NAIVE, "Once(datetime.datetime(2030, 1, 1, 9, 0), timezone='Europe/Berlin')", None),
        (None, "Never(), if it is to run only by hand", None),
        (Interval, "Interval(...), not the class itself", None),
    ],
)
def test_the_schedule_that_was_meant_is_suggested(value: Any, code: str, meant: object) -> None:
    if meant is not None:
        names = {**vars(turnkeeper_trio.schedules), "datetime": datetime, "time": time}
        assert eval(code, {**names, "ZoneInfo": lambda _: UTC}) == meant  # noqa: S307  (it is the error's own text)
    for attempt in given_instead(value):
        try:
            attempt()
        except ConfigurationError as exc:
            assert f"must be a schedule, not {value!r}; write {code}" in str(exc)
        except TypeError:  # a value with an `|` of its own
            assert value is Interval
        else:
            pytest.fail(f"{value!r} was taken")


@pytest.mark.parametrize(
    "value", ["every day", "", "25:00", "0 9 * *", 0, -1, True, object, [Never()], time(9, tzinfo=UTC)]
)
def test_where_nothing_is_known_to_be_meant_the_kinds_are_named(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RecurringJobRequest("job", value)
    assert str(caught.value) == (
        "schedule must be a schedule such as Interval(minutes=5), Cron('0 9 * * *') or "
        f"WeekdayTimes.on(WORKDAYS, time(9)), or an object with a method next_after(after), not {value!r}"
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2030-12-25", "date(2030, 12, 25)"),
        ("0 0 25 12 *", "Cron('0 0 25 12 *')"),
        ("Xmas", "dates, ranges"),
        (None, "dates"),
    ],
)
def test_what_is_to_be_excluded_is_suggested(value: Any, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Except(Interval(5), value)
    assert f"excluded must not hold {value!r}; write {code}" in str(caught.value)
    with pytest.raises(ConfigurationError, match="each of excluded must be a schedule"):
        Except(Interval(5), Cron)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "code"),
    [
        ("mon-fri", "WORKDAYS"),
        ("Monday - Friday", "WORKDAYS"),
        ("mon,tue,wed-fri", "WORKDAYS"),
        ("weekdays", "WORKDAYS"),
        ("Sat-Sun", "WEEKEND"),
        ("weekend", "WEEKEND"),
        ("every day", "EVERY_DAY"),
        ("mon, Wed", "['mon', 'wed']"),
        ("sat-mon", "['sat', 'sun', 'mon']"),
        ("mon-mo", None),
        ("", None),
    ],
)
def test_the_days_that_were_meant_are_suggested(days: str, code: str | None) -> None:
    for given in (days, [days]):
        with pytest.raises(ConfigurationError, match=r"^days must be ") as caught:
            WeekdayTimes.on(given, time(9))
        end = f"not {days!r}" if code is None else f"not {days!r}; write {code}"
        assert str(caught.value).endswith(end)
    with pytest.raises(ConfigurationError, match=r"^each of pairs must begin with ") as caught:
        WeekdayTimes([(days, time(9))])
    end = f"not {days!r}" if code is None else f"not {days!r}; write WeekdayTimes.on({code}, …)"
    assert str(caught.value).endswith(end)
    names = {"WORKDAYS": WORKDAYS, "WEEKEND": WEEKEND, "EVERY_DAY": EVERY_DAY}
    if code is not None:
        assert WeekdayTimes.on(eval(code, names), time(9)).pairs  # noqa: S307  (it is the error's own text)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("09:00", "time(9)"),
        ("9:30", "time(9, 30)"),
        ("09:30:15", "time(9, 30, 15)"),
        ("09:00Z", "time(9)"),
        (9, "time(9)"),
        (NAIVE, "time(9)"),
        ("nine", None),
        ("09:60", None),
        (24, None),
        (True, None),
        (None, None),
    ],
)
def test_the_time_that_was_meant_is_suggested(at: Any, code: str | None) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: WeekdayTimes.on(WORKDAYS, at), "each of times must be"),
        (lambda: WeekdayTimes([("mon", at)]), "each of pairs must end with"),
        (lambda: CalendarInterval(days=1, at=at or ""), "at must be"),
    ]
    for call, begins in calls:
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert str(caught.value).startswith(f"{begins} a datetime.time, such as time(9, 30), not ")
        assert str(caught.value).endswith("" if code is None else f"{at!r}; write {code}")
        assert ("; write" in str(caught.value)) == (code is not None)


class Unfit:
    """Fits no parameter."""


def makers() -> Iterator[tuple[Callable[..., object], dict[str, Any]]]:
    """Yield each way to make a schedule, with arguments that it takes."""
    yield WeekdayTimes, {"pairs": [("mon", time(9))]}
    yield WeekdayTimes.on, {"days": WORKDAYS, "times": time(9)}
    yield Cron, {"expression": "@daily"}
    yield Once, {"at": AT}
    yield Between, {"schedule": Interval(5), "start": AT}
    yield Except, {"schedule": Interval(5), "excluded": date(2030, 1, 1), "timezone": "UTC"}
    yield CalendarInterval, {"days": 1, "start": date(2030, 1, 1)}
    for name in turnkeeper_trio.schedules.__all__:
        value = getattr(turnkeeper_trio.schedules, name)
        if name in {"Interval", "FixedDelay", "After", "AnyOf", "Never"}:
            yield value, {}


def cases() -> Iterator[Any]:
    for make, fitting in makers():
        for name in inspect.signature(make).parameters:
            others = {**fitting, "seconds": 5} if name == "anchor" else fitting
            yield pytest.param(make, others, name, id=f"{make.__qualname__}-{name}")


@pytest.mark.parametrize(("make", "fitting", "wrong"), list(cases()))
@pytest.mark.parametrize("value", [Unfit(), [Unfit()], "text"], ids=["object", "list", "text"])
def test_an_error_names_the_parameter_that_is_wrong(
    make: Callable[..., object], fitting: dict[str, Any], wrong: str, value: Any
) -> None:
    given = {**fitting, wrong: value}
    positional: list[Any] = []
    for name, parameter in inspect.signature(make).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = [given.pop(other) for other in list(given) if other in {"days", "schedule"}]
            positional.append(given.pop(name))
    with pytest.raises(ConfigurationError) as caught:
        make(*positional, **given)
    assert caught.value.parameter == wrong
    assert wrong in str(caught.value)


def test_every_kind_of_schedule_is_tried() -> None:
    made = {getattr(make, "__self__", make) for make, _ in makers()}
    kinds = {getattr(turnkeeper_trio.schedules, name) for name in turnkeeper_trio.schedules.__all__}
    assert {kind for kind in kinds if isinstance(kind, type) and hasattr(kind, "kind")} == made
