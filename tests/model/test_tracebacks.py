"""The local variables in the frames of a stored error are cleared."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from turnkeeper_trio._model.tracebacks import forget_locals


class Big:
    """Something that can be seen to be gone."""


def raising(kept: list[Any]) -> None:
    big = Big()
    kept.append(weakref.ref(big))
    raise ValueError


def raised_in(function: Callable[[list[Any]], None], kept: list[Any]) -> BaseException:
    try:
        function(kept)
    except BaseException as exc:
        return exc
    raise AssertionError


def cause(kept: list[Any]) -> None:
    try:
        raising(kept)
    except ValueError as exc:
        raise TypeError from exc


def group(kept: list[Any]) -> None:
    big = Big()
    kept.append(weakref.ref(big))
    raise ExceptionGroup("both", [raised_in(raising, kept), raised_in(cause, kept)])  # type: ignore[list-item]


@pytest.mark.usefixtures("collect_only_own")
@pytest.mark.parametrize("function", [raising, cause, group])
def test_the_locals_of_an_error_and_of_what_it_chains_to_are_let_go(function: Any):
    kept: list[Any] = []
    error = raised_in(function, kept)
    assert all(reference() is not None for reference in kept)
    forget_locals(error)
    gc.collect()
    assert [reference() for reference in kept] == [None] * len(kept)
    assert error.__traceback__ is not None


@pytest.mark.usefixtures("collect_only_own")
def test_the_object_of_an_attribute_error_is_let_go():
    def look_up(kept: list[Any]) -> None:
        big: Any = Big()
        kept.append(weakref.ref(big))
        _ = big.missing

    kept: list[Any] = []
    error = raised_in(look_up, kept)
    assert isinstance(error, AttributeError)
    forget_locals(error)
    gc.collect()
    assert kept[0]() is None


@pytest.mark.usefixtures("collect_only_own")
def test_an_error_that_is_its_own_cause_is_gone_through_once():
    kept: list[Any] = []
    error, other = raised_in(raising, kept), raised_in(raising, kept)
    error.__context__, other.__context__ = other, error
    forget_locals(error)
    gc.collect()
    assert [reference() for reference in kept] == [None, None]
    assert error.__context__ is other


def test_the_frame_of_something_that_may_go_on_is_left_alone():
    def generator() -> Iterator[Any]:
        big = Big()
        kept.append(weakref.ref(big))
        try:
            raise ValueError
        except ValueError as exc:
            yield exc
        yield big

    kept: list[Any] = []
    going = generator()
    forget_locals(next(going))
    assert kept[0]() is next(going)
    forget_locals(raised_in(lambda _: forget_locals_of_itself(), []))


def forget_locals_of_itself() -> None:
    try:
        raise ValueError
    except ValueError as exc:
        forget_locals(exc)
        raise
