"""The guard: what it says of objects whose methods raise, and what it lets pass."""

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import uuid4

import pytest
from hostile import FAULTS, METHODS, Ordinary, Outsider, hostile, hostile_error

from turnkeeper_trio import CriticalJobFailed, RunNotSucceeded
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.record import plain
from turnkeeper_trio._model.text import error_text


class Raising(type):
    """The class of a class whose own name, hash and subclass check raise."""

    @property
    def __name__(cls) -> str:
        raise Outsider

    def __hash__(cls) -> int:
        raise Outsider

    def __repr__(cls) -> str:
        raise Outsider


class OfHostileClass(metaclass=Raising):
    pass


class Text(str):
    """A string whose own methods raise."""

    __slots__ = ()

    def __str__(self) -> str:
        raise Outsider

    __repr__ = __format__ = __str__  # type: ignore[assignment]  # all raise


class GivesText:
    def __str__(self) -> str:
        return Text("given")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
def test_whatever_raises_is_shown(method: str, fault: type[BaseException]) -> None:
    value, error = hostile(method, fault)(), hostile_error(method, fault)("said")
    for each in (value, error):
        for made in (guard.text(each), guard.shown(each)):
            assert type(made) is str
    for said in (guard.described(error), guard.raised(error), guard.trace(error), error_text(error)):
        assert type(said) is str
        assert said.startswith(guard.type_name(error)) or guard.full_type_name(error) in said
    assert guard.is_a(error, Exception)
    assert not guard.is_a(value, Exception)
    assert not guard.equal(value, object())
    assert guard.equal(value, value) or method in {"__eq__", "__class__"}
    guard.add_note(error, "one")
    guard.add_note(error, "two")
    assert error.__notes__ == ["one", "two"]
    assert guard.assign(error, "more", 1)
    assert error.more == 1


def test_what_raises_is_named_in_its_place() -> None:
    value = hostile("__repr__", Outsider)()
    assert guard.shown(value) == "<HostileRepr whose repr raises Outsider>"
    assert guard.text(hostile("__str__", Ordinary)()) == "<HostileStr whose text raises Ordinary>"


def test_the_class_of_a_class_may_be_hostile_too() -> None:
    value = OfHostileClass()
    assert guard.type_name(value) == "OfHostileClass"
    assert guard.full_type_name(value) == f"{__name__}.OfHostileClass"
    assert not guard.is_a(value, (int, str))
    from collections.abc import Mapping  # noqa: PLC0415  (its check looks a class up by its hash)

    assert not guard.is_a(value, Mapping)
    assert type(plain(OfHostileClass)) is str


def test_a_text_is_a_plain_string() -> None:
    assert type(guard.text(GivesText())) is str
    assert guard.text(GivesText()) == "given"
    assert guard.text(Text("x")) == "<Text whose text raises Outsider>"


@pytest.mark.parametrize("program", guard.PROGRAM)
def test_what_means_the_program_passes(program: type[BaseException]) -> None:
    value = hostile("__str__", program)()
    with pytest.raises(program):
        guard.text(value)

    class Check(type):
        def __subclasscheck__(cls, other: type) -> bool:
            raise program

    class Kind(metaclass=Check):
        pass

    with pytest.raises(program):
        guard.is_a(1, Kind)


def test_a_text_without_end_is_told_as_what_it_raises() -> None:
    class Endless:
        def __str__(self) -> str:
            return f"{self}"

    assert guard.text(Endless()) == "<Endless whose text raises RecursionError>"


def test_an_error_that_cannot_be_formatted_is_told_by_its_type_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object, **__: object) -> None:
        raise Outsider

    monkeypatch.setattr(guard.traceback, "format_exception_only", faulty)
    monkeypatch.setattr(guard.traceback, "format_exception", faulty)
    assert guard.described(ValueError("no")) == "ValueError: no"
    assert guard.trace(ValueError()) == "ValueError\n"


def test_a_chain_without_end_is_left_as_it_is() -> None:
    one, two, other = ValueError(), TypeError(), KeyError()
    one.__cause__, two.__context__ = two, one
    guard.put_before(one, other)
    assert (guard.chained(one), guard.chained(two)) == ((two,), (one,))


def test_what_an_error_holds_and_chains_to_is_read_past_its_own_methods() -> None:
    class Sly(ExceptionGroup[Exception]):
        exceptions = __context__ = __cause__ = __traceback__ = property(hostile_error("__str__", Outsider))  # type: ignore[assignment]

    inner = ValueError()
    group = Sly("several", [inner])
    first, second = TypeError(), KeyError()
    guard.put_before(group, first)
    guard.put_before(group, second)
    guard.put_before(first, group)
    guard.put_before(group, inner)
    assert guard.chained(group) == (first, inner)
    assert guard.chained(first) == (second,)
    assert guard.chained(second) == ()
    assert guard.holds(group, ValueError)
    assert not guard.holds(group, KeyError)
    assert guard.is_in_chain(inner, group)
    assert guard.is_in_chain(second, group)
    assert not guard.is_in_chain(group, second)
    assert guard.traceback_of(group) is None


def test_what_cannot_be_written_to_stays_as_it_is() -> None:
    assert not guard.assign(3, "name", 1)
    assert guard.attribute(hostile("__class__", Ordinary)(), "__class__", 7) == 7


def broken() -> Any:
    """Return a dataclass of which a field is gone."""

    @dataclass(frozen=True)
    class Broken:
        good: int = 1
        lost: Any = field(default=2)

    value = Broken()
    object.__delattr__(value, "lost")
    del Broken.lost
    return value


class ToJson:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def to_json(self) -> Any:
        if isinstance(self.answer, type):
            raise self.answer
        return self.answer


class NeedsMore:
    def to_json(self, orient: str) -> str:
        return orient


class NoMethod:
    to_json = 5


class Again:
    def to_json(self) -> "Again":
        return Again()


class Color(Enum):
    RED = math.nan


def cycle() -> list[Any]:
    loop: list[Any] = []
    loop.append({"again": loop})
    return loop


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


class Integer(int):
    def __repr__(self) -> str:
        raise Outsider

    __str__ = __add__ = __pos__ = __repr__  # type: ignore[assignment]  # all raise


class Items(list[int]):
    def __iter__(self) -> Any:
        raise Outsider


def anything() -> list[Any]:
    """Made when needed: pytest looks at what a test is given, and the collector at what lives."""
    return [
        *(hostile(method, fault)() for method in METHODS for fault in FAULTS),
        *(hostile_error(method, fault)("said") for method in METHODS for fault in FAULTS),
        *({"key": hostile(method, Outsider)()} for method in METHODS),
        {hostile("__str__", Outsider)(): 1},
        [math.nan, math.inf, -math.inf],
        Color.RED,
        Integer(3),
        Items(),
        Text("x"),
        10**5000,
        cycle(),
        ToJson(object()),
        ToJson(Outsider),
        ToJson(math.nan),
        ToJson,
        NeedsMore,
        NeedsMore(),
        NoMethod(),
        Again(),
        OfHostileClass(),
        OfHostileClass,
        broken(),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))),
        timedelta.max,
        b"bytes",
        ExceptionGroup("several", [hostile_error("__str__", Outsider)()]),
    ]


@pytest.mark.parametrize("number", range(len(anything())))
def test_anything_is_json(number: int) -> None:
    assert_json(anything()[number])


def test_what_is_nested_deeply_is_json() -> None:
    assert_json(deep(50_000))


def assert_json(value: Any) -> None:
    for made in (plain(value), plain([{"inside": (value,)}])):
        assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_what_is_json_says_what_it_was() -> None:
    assert plain([math.nan, -math.inf, 1.5, Integer(3), True, None]) == ["nan", "-inf", 1.5, 3, True, None]
    assert plain(ToJson({"at": datetime(2026, 1, 1, tzinfo=UTC)})) == {"at": "2026-01-01T00:00:00Z"}
    assert plain(cycle()) == [{"again": "<list inside of itself>"}]
    assert plain(10**5000) == f"<an integer of {(10**5000).bit_length()} bits>"
    assert plain({1: uuid}) == {"1": str(uuid)}
    assert plain(hostile("__repr__", Outsider)()) == "<HostileRepr whose repr raises Outsider>"
    twice = [1]
    assert plain([twice, twice]) == [[1], [1]]


uuid = uuid4()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
def test_the_errors_of_a_failed_run_can_be_shown_and_name_what_it_failed_of(
    method: str, fault: type[BaseException]
) -> None:
    error = hostile_error(method, fault)("said")
    record: Any = type("Record", (), {"name": "job", "outcome": "failed", "reason": "", "error": error})()
    assert guard.type_name(error) in str(CriticalJobFailed(record))
    assert guard.type_name(error) in str(RunNotSucceeded(record))
    record.error = None
    assert str(RunNotSucceeded(record)).endswith("no reason given")
    record.reason = "it returned False"
    assert str(CriticalJobFailed(record)) == "the critical job 'job' failed: it returned False"
    assert str(RunNotSucceeded(record)).endswith("it returned False")
