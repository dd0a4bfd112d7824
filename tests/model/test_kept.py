"""Errors and values of runs as a store keeps them: whatever they are, there is a text, and it is read as it was."""

import json
import math
from typing import Any

import pytest

from turnkeeper_trio import NotKept, TurnKeeperError
from turnkeeper_trio._model.kept import LONGEST_ERROR, LONGEST_VALUE, error_text, read_error, read_value, value_text
from turnkeeper_trio.errors import StoredError


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as exc:
        return exc


class TestValues:
    @pytest.mark.parametrize("value", [None, 0, True, "ä", [1, [2]], {"a": {"b": None}}, [], {}, 1.5, {"not_kept": 5}])
    def test_json_comes_back(self, value: Any) -> None:
        assert read_value(value_text(value)) == value

    @pytest.mark.parametrize("value", [{1, 2}, (1, 2), {1: 2}, math.nan, object, b"a", [(1,)], "x" * LONGEST_VALUE])
    def test_all_else_is_shown(self, value: Any) -> None:
        read = read_value(value_text(value))
        assert isinstance(read, NotKept)
        assert read.shown == repr(value)[:LONGEST_ERROR]
        assert str(read).startswith("<not kept: ")
        assert read_value(value_text(read)) == read

    def test_none_has_no_text(self) -> None:
        assert value_text(None) is None
        assert read_value(None) is None

    def test_one_that_raises_at_everything(self) -> None:
        class Hostile:
            def __repr__(self) -> str:
                raise OSError

            def __eq__(self, other: object) -> bool:
                raise OSError

            __hash__ = None  # type: ignore[assignment]

        assert isinstance(read_value(value_text(Hostile())), NotKept)
        assert isinstance(read_value(value_text([Hostile()])), NotKept)

    def test_one_that_is_equal_to_nothing(self) -> None:
        class Odd(int):
            def __eq__(self, other: object) -> bool:
                return False

            def __hash__(self) -> int:
                return 0

        assert isinstance(read_value(value_text(Odd(5))), NotKept)


class TestErrors:
    def test_one_is_read_as_texts(self) -> None:
        read = read_error(error_text(raised(ValueError("no such shop"))))
        assert isinstance(read, StoredError)
        assert isinstance(read, TurnKeeperError)
        assert (read.kind, read.message, str(read)) == ("ValueError", "no such shop", "ValueError: no such shop")
        assert "raise error" in read.traceback

    def test_without_a_message(self) -> None:
        assert str(read_error(error_text(raised(KeyError())))) == "KeyError"

    def test_one_that_was_read_is_written_as_it_was(self) -> None:
        text = error_text(raised(ValueError("no")))
        assert error_text(read_error(text)) == text

    def test_a_long_one_is_cut(self) -> None:
        told = json.loads(error_text(raised(ValueError("x" * 2 * LONGEST_ERROR))))
        assert len(told["message"]) == len(told["traceback"]) == LONGEST_ERROR

    def test_a_hostile_one(self) -> None:
        class Hostile(Exception):
            def __str__(self) -> str:
                raise OSError

            __repr__ = __str__

        assert read_error(error_text(raised(Hostile()))).kind == "Hostile"

    def test_one_with_letters_that_utf_8_does_not_have(self) -> None:
        assert read_error(error_text(raised(ValueError("\ud800")))).message == "\ud800"

    def test_it_can_be_imported_where_it_says(self) -> None:
        assert (StoredError.__module__, NotKept.__module__) == ("turnkeeper_trio.errors", "turnkeeper_trio")
