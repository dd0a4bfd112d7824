"""Which parameters a class or function says that it has: what `help`, notebooks and editors show of it."""

import dataclasses
import inspect
import pydoc
import re

import pytest

import turnkeeper_trio
from turnkeeper_trio import Interval, RecurringJobRequest

PARAMETERS = inspect.signature(RecurringJobRequest).parameters
PUBLIC = {name: getattr(turnkeeper_trio, name) for name in turnkeeper_trio.__all__}


def test_a_request_shows_its_fields_with_their_defaults() -> None:
    fields = [field for field in dataclasses.fields(RecurringJobRequest) if field.init]
    assert list(PARAMETERS) == [field.name for field in fields]
    for field, parameter in zip(fields, PARAMETERS.values(), strict=True):
        default = parameter.empty if field.default is dataclasses.MISSING else field.default
        assert (parameter.default, parameter.annotation) == (default, field.type)
        assert (parameter.kind is parameter.KEYWORD_ONLY) == field.kw_only


def test_the_help_of_a_request_shows_them() -> None:
    # Python 3.13 writes a line for each parameter where they are many.
    text = re.sub(r"\s*\n \|\s*", " ", pydoc.plain(pydoc.render_doc(RecurringJobRequest)))
    assert "max_retries: int | None = 0, *, key: str | None = None" in text
    assert "*values" not in text
    assert RecurringJobRequest("job", Interval(5), timeout=3).given == {"name", "schedule", "timeout"}


@pytest.mark.parametrize(
    "value", [value for value in PUBLIC.values() if inspect.isfunction(value) or dataclasses.is_dataclass(value)]
)
def test_nothing_public_hides_its_parameters(value: object) -> None:
    assert callable(value)
    kinds = {parameter.kind for parameter in inspect.signature(value).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timezone", "the timezone belongs to the schedule, such as Cron"),
        ("max_retry", "did you mean 'max_retries'?"),
        ("kwargs", "the function and its arguments follow the request"),
        ("zzz", "the fields are catch_up, cleanup_grace, "),
    ],
)
def test_a_keyword_that_is_no_field_says_what_was_meant(name: str, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"got an unexpected keyword argument {name!r}: {said}")):
        RecurringJobRequest("job", Interval(5), **{name: 1})  # type: ignore[arg-type]
