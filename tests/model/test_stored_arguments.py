"""Arguments in front of a durable store: JSON that reads back equal; else an error that says what to write."""

import json
import math
from collections import OrderedDict, UserList
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hostile import FAULTS, METHODS, hostile

from turnkeeper_trio import ConfigurationError
from turnkeeper_trio.jobs._stored_arguments import LONGEST_TEXT, decode_arguments, encode_arguments


class Number(int):
    pass


class Text(str):
    __slots__ = ()


class Real(float):
    pass


class Items(list[Any]):
    pass


class Colour(IntEnum):
    RED = 1


class Word(StrEnum):
    GO = "go"


@dataclass
class Order:
    number: int


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


REFUSED: list[tuple[Any, str, str]] = [
    ((1, 2), "", r"\(1, 2\), of type tuple, .* write a list"),
    ({1}, "", "of type set, .* sorted"),
    (frozenset({1}), "", "of type frozenset, .* sorted"),
    (b"raw", "", "of type bytes, .* base64"),
    (bytearray(b"raw"), "", "of type bytearray, .* base64"),
    (math.nan, "", "nan, for which JSON has no number; write None"),
    (math.inf, "", "inf, for which"),
    (-math.inf, "", "-inf, for which"),
    (10**400, "", "more than 300 digits"),
    (-(10**400), "", "more than 300 digits"),
    (Number(1), "", "of type Number, .* plain int"),
    (Text("a"), "", "of type Text, .* plain str"),
    (Real(1), "", "of type Real, .* plain float"),
    (Items(), "", "of type Items, .* plain list"),
    (OrderedDict(a=1), "", "of type OrderedDict, .* plain dict"),
    (Colour.RED, "", "of type Colour, .* its value"),
    (Word.GO, "", "of type Word, .* its value"),
    (datetime(2026, 1, 1, tzinfo=UTC), "", "of type datetime, .* isoformat"),
    (date(2026, 1, 1), "", "of type date, .* isoformat"),
    (time(9), "", "of type time, .* isoformat"),
    (timedelta(1), "", "of type timedelta, .* total_seconds"),
    (UUID(int=1), "", "of type UUID, .* str"),
    (Decimal(1), "", "of type Decimal, .* str"),
    (Path("a"), "", "of type (?:Posix|Windows)Path, .* str"),
    (Order(1), "", r"of type Order, .*give an id .*codec="),
    (object(), "", "of type object, .*codec="),
    (UserList([1]), "", "of type UserList"),
    (1j, "", "of type complex"),
    (Fraction(1, 3), "", "of type Fraction"),
    (len, "", "of type builtin_function_or_method"),
    (int, "", "of type type"),
    ("\ud800", "", "cannot be written in UTF-8"),
    ({1: 2}, "", "has the key 1, and a key must be a plain str"),
    ({None: 2}, "", "has the key None"),
    ({True: 2}, "", "has the key True"),
    ({Text("a"): 2}, "", "has the key 'a'"),
    ({"\ud800": 2}, "", "has the key"),
    (nested(101), "", "nested more than 100 deep"),
    (circular(), "", "nested more than 100 deep"),
    (json.loads('{"a":' * 101 + "1" + "}" * 101), "", "nested more than 100 deep"),
    ({"when": [0, 1, (2,)]}, r"\['when'\]\[2\]", r"\(2,\), of type tuple"),
    ([{"a": {"b'c": {1}}}], r"\[0\]\['a'\]\[\"b'c\"\]", "of type set"),
    ([[], [{}, {2: 1}]], r"\[1\]\[1\]", "has the key 2"),
]


@pytest.mark.parametrize(("value", "path", "message"), REFUSED)
def test_what_does_not_read_back_equal_is_refused(value: Any, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^args\[1\]{path} .*?{message}") as caught:
        encode_arguments((1, value), {"a": 1}, None)
    assert caught.value.parameter == "args"
    assert len(str(caught.value)) < 400 + len(path)
    with pytest.raises(ConfigurationError, match=rf"^kwargs\['when'\]{path} ") as caught:
        encode_arguments((1,), {"a": 1, "when": value}, None)
    assert caught.value.parameter == "kwargs"


ACCEPTED: list[Any] = [
    None, True, False, 0, 1, -1, 2**64, 10**300, 0.0, -0.0, 1.0, 0.1, 5e-324, 1.7976931348623157e308, "", "a", "ünï 🎉",
    '\x00\n"\\\u2028', [], {}, [[], {}], {"": {"a": [1, 1.0, True, None]}}, nested(100), [1, 1.0, True],
]  # fmt: skip


@pytest.mark.parametrize("value", ACCEPTED, ids=repr)
def test_json_reads_back_equal_and_of_the_same_types(value: Any) -> None:
    text = encode_arguments((value, value), {"a": value}, None)
    args, kwargs = decode_arguments(json.loads(text), None)
    assert repr(args) == repr((value, value))
    assert repr(kwargs) == repr({"a": value})


def test_no_arguments_are_no_text_to_speak_of() -> None:
    assert encode_arguments((), None, None) == encode_arguments((), {}, None) == "{}"
    assert decode_arguments({}, None) == ((), {})
    assert encode_arguments((1,), None, None) == '{"args":[1]}'
    assert encode_arguments((), {"a": 1}, None) == '{"kwargs":{"a":1}}'


@pytest.mark.parametrize("letter", ["a", "ü", "🎉"])
def test_the_arguments_have_a_longest_text(letter: str) -> None:
    """It counts bytes, not letters."""
    room = LONGEST_TEXT - len('{"args":[""]}')
    fits = letter * (room // len(letter.encode()))
    assert encode_arguments((fits,), None, None)
    with pytest.raises(
        ConfigurationError, match=r"the arguments take 65,\d\d\d bytes as text, and may take 65,536"
    ) as caught:
        encode_arguments((fits + "aaaa",), None, None)
    assert caught.value.parameter == "args"
    with pytest.raises(ConfigurationError) as caught:
        encode_arguments((), {"a": fits + "aaaa"}, None)
    assert caught.value.parameter == "kwargs"


@pytest.mark.parametrize("name", [Text("a"), "\ud800"])
def test_a_name_is_a_plain_text(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^kwargs has the name .* a plain str"):
        encode_arguments((), {name: 1}, None)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("base", [object, int, str, list, dict])
def test_a_hostile_value_is_refused_and_raises_nothing_else(
    method: str, fault: type[BaseException], base: type
) -> None:
    value = hostile(method, fault, base)()
    with pytest.raises(ConfigurationError, match=r"^args\[0\]\['a'\] is .*, of type Hostile"):
        encode_arguments(({"a": value},), None, None)


class Codec:
    """A codec of a user's, for orders and for JSON."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def dumps(self, value: Any) -> str:
        self.written.append(value)
        return f"order {value.number}" if isinstance(value, Order) else json.dumps(value)

    def loads(self, text: str) -> Any:
        return Order(int(text.removeprefix("order "))) if text.startswith("order ") else json.loads(text)


def test_a_codec_writes_each_argument_and_reads_it() -> None:
    codec = Codec()
    text = encode_arguments((Order(1), "a"), {"last": Order(2)}, codec)
    assert codec.written == [Order(1), "a", Order(2)]
    assert decode_arguments(json.loads(text), codec) == ((Order(1), "a"), {"last": Order(2)})
    assert encode_arguments((), {"last": Order(2)}, codec) == '{"coded_kwargs":{"last":"order 2"}}'
    assert encode_arguments((Order(1),), {}, codec) == '{"coded_args":["order 1"]}'


def test_arguments_from_before_the_codec_are_read_without_it() -> None:
    text = encode_arguments((1,), {"a": [2]}, None)
    assert decode_arguments(json.loads(text), Codec()) == ((1,), {"a": [2]})


def test_arguments_of_a_codec_need_one() -> None:
    text = encode_arguments((Order(1),), None, Codec())
    with pytest.raises(ConfigurationError, match=r"written by a codec: .*open_scheduler\(codec=…\)") as caught:
        decode_arguments(json.loads(text), None)
    assert caught.value.parameter == "codec"


def raises(*_: object) -> Any:
    raise ArithmeticError("no idea")


@pytest.mark.parametrize(
    ("dumps", "loads", "message"),
    [
        (raises, json.loads, "codec.dumps raised ArithmeticError: no idea"),
        (json.dumps, raises, "codec.loads raised ArithmeticError: no idea"),
        (lambda value: b"raw", json.loads, "codec.dumps must return text, it returned b'raw'"),
        (lambda value: "\ud800", json.loads, "codec.dumps must return text"),
        (lambda value: Text("1"), json.loads, "codec.dumps must return text"),
    ],
)
def test_what_a_codec_cannot_keep_is_refused(
    dumps: Callable[[Any], Any], loads: Callable[[Any], Any], message: str
) -> None:
    class Faulty:
        def dumps(self, value: Any) -> Any:
            return dumps(value)

        def loads(self, text: str) -> Any:
            return loads(text)

    with pytest.raises(ConfigurationError, match=rf"^args\[0\]: {message}") as caught:
        encode_arguments((1,), None, Faulty())
    assert caught.value.parameter == "args"
    with pytest.raises(ConfigurationError, match=rf"^kwargs\['a'\]: {message}"):
        encode_arguments((), {"a": 1}, Faulty())
