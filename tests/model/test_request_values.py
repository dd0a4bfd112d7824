"""A request as a value: what it holds, when two are equal, and what Python says of a wrong call."""

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from turnkeeper_trio import Interval, Never, Overlap, RecurringJobRequest

SIMPLE = RecurringJobRequest("job", Interval(5))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RecurringJobRequest("job"), RecurringJobRequest("job", Never(), 0)),
        (RecurringJobRequest("job", priority=0, tags=()), RecurringJobRequest("job", overlap=Overlap.SKIP)),
        (SIMPLE.replace(timeout=3), RecurringJobRequest("job", Interval(5), timeout=3)),
        (SIMPLE.replace(timeout=3).replace(timeout=None), SIMPLE),
    ],
)
def test_equal_is_what_means_the_same_whether_it_was_given_or_not(
    one: RecurringJobRequest, other: RecurringJobRequest
) -> None:
    assert one == other
    assert hash(one) == hash(other)


def test_different_is_what_differs_in_one_field() -> None:
    every: dict[str, Any] = {"priority": 1, "max_retries": 2, "key": "job", "tags": ("a",), "jitter": 1, "timeout": 2}
    for name, value in every.items():
        assert len({SIMPLE, SIMPLE.replace(**{name: value})}) == 2
    assert SIMPLE != "job"


def test_help_names_each_field() -> None:
    fields = set(inspect.signature(RecurringJobRequest).parameters)
    assert set(re.findall("``([a-z_]+)``", inspect.getdoc(RecurringJobRequest) or "")) == fields


def pickled(request: RecurringJobRequest) -> Any:
    return pickle.loads(pickle.dumps(request))  # noqa: S301  (its own)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_equal_and_knows_what_was_given(copied: Any) -> None:
    request = RecurringJobRequest("job", Interval(5), timeout=3, priority=1)
    made = copied(request)
    assert made == request
    assert made.given == {"name", "schedule", "timeout", "priority"}
    assert made.timeout_us == 3_000_000


def test_it_can_not_be_changed() -> None:
    for name in ("name", "priority", "given", "other"):
        with pytest.raises(AttributeError):
            setattr(SIMPLE, name, 1)
        with pytest.raises(AttributeError):
            delattr(SIMPLE, name)


@pytest.mark.parametrize(
    ("values", "named", "said"),
    [
        ((), {}, "missing 1 required positional argument: 'name'"),
        ((), {"priority": 1}, "missing 1 required positional argument: 'name'"),
        (("job",), {"name": "job"}, "got multiple values for argument 'name'"),
        (("job", Never()), {"schedule": Never()}, "got multiple values for argument 'schedule'"),
        (("job", Never(), 0, None), {}, "takes from 2 to 4 positional arguments but 5 were given"),
    ],
)
def test_a_wrong_call_is_refused_in_pythons_words(values: Any, named: Any, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        RecurringJobRequest(*values, **named)


def test_a_name_is_a_plain_string() -> None:
    class Name(str):
        __slots__ = ()

    assert type(RecurringJobRequest(Name("job")).name) is str
