"""A definition as text for a durable store: what is read is equal, and what could not be is refused at the call."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storable import FIELDS, KINDS, OpeningHours, Patience, requests

from turnkeeper_trio import (
    After,
    AnyOf,
    Between,
    ConfigurationError,
    Cron,
    Except,
    ExponentialBackoff,
    FixedRetryDelay,
    Interval,
    Never,
    RecurringJobRequest,
)
from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio.jobs._codec import checked_kinds
from turnkeeper_trio.jobs._stored_definition import Definition, DefinitionCodec, changed_definition
from turnkeeper_trio.jobs.request import checked_fields
from turnkeeper_trio.retries import retry_from_json
from turnkeeper_trio.schedules import schedule_from_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODEC = DefinitionCodec(checked_kinds("kinds", KINDS))
UTF_8 = st.text(st.characters(codec="utf-8"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | UTF_8,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(UTF_8, values, max_size=3),
    max_leaves=8,
)  # fmt: skip


def typed(value: Any) -> Any:
    """Return a value with its types, so that values of different types are not equal."""
    if type(value) in {list, tuple}:
        return type(value), [typed(each) for each in value]
    if type(value) is dict:
        return dict, {key: typed(each) for key, each in value.items()}
    return type(value), repr(value)


def test_every_field_is_drawn() -> None:
    together = {"name", "max_retries", "max_concurrent"}
    assert {*FIELDS, *together} == {each.name for each in fields(RecurringJobRequest) if each.init}


@given(requests())
def test_a_request_reads_back_equal(request_: RecurringJobRequest) -> None:
    written = json.loads(json.dumps(request_.to_json(), allow_nan=False))
    read = RecurringJobRequest.from_json(written, kinds=KINDS)
    assert read == request_
    assert read.given == request_.given
    assert read.to_json() == request_.to_json()
    for each in fields(RecurringJobRequest):
        assert type(getattr(read, each.name)) is type(getattr(request_, each.name)), each.name


@given(
    requests(),
    st.text(min_size=1),
    st.lists(JSON_VALUES, max_size=3),
    st.dictionaries(st.text(), JSON_VALUES, max_size=3),
)
def test_a_definition_reads_back_equal(request_: RecurringJobRequest, target: str, args: Any, kwargs: Any) -> None:
    text = CODEC.encode(request_, target, tuple(args), kwargs, ("shop", 3))
    text.encode()
    read = CODEC.decode(text)
    assert read.request == request_
    assert (read.target, read.job_set, read.job_set_version) == (target, "shop", 3)
    assert typed(read.args) == typed(tuple(args))
    assert typed(read.kwargs) == typed(kwargs)
    again = CODEC.encode(read.request, read.target, read.args, read.kwargs, ("shop", 3))
    assert again == text


@given(requests(), requests())
def test_a_change_makes_the_text_of_the_changed_request(
    before: RecurringJobRequest, after: RecurringJobRequest
) -> None:
    changes = {each.name: getattr(after, each.name) for each in fields(after) if each.init and each.name != "key"}
    changed = before.replace(**changes)
    text = CODEC.encode(before, "old", (1,), {"a": 1})
    new = changed_definition(text, CODEC.changes(changes, "new", (2, 3)))
    assert new == CODEC.encode(changed, "new", (2, 3), {"a": 1})


@pytest.mark.parametrize(
    ("parameter", "call"),
    [
        ("name", lambda: CODEC.encode(RecurringJobRequest("\ud800"), "fn")),
        ("name", lambda: CODEC.changes({"name": "\ud800"})),
        ("tags", lambda: CODEC.encode(RecurringJobRequest("job", tags=("a", "\ud800")), "fn")),
        ("fn", lambda: CODEC.encode(RecurringJobRequest("job"), "\ud800")),
        ("fn", lambda: CODEC.changes({}, "\ud800")),
        ("job_set", lambda: CODEC.encode(RecurringJobRequest("job"), "fn", job_set=("\ud800", 1))),
    ],
)
def test_a_text_that_no_store_can_write_is_refused(parameter: str, call: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{parameter}.* cannot be written in UTF-8") as caught:
        call()
    assert caught.value.parameter == parameter


def test_a_change_leaves_what_it_does_not_name() -> None:
    request = RecurringJobRequest("job", priority=3, timeout=5)
    text = CODEC.encode(request, "fn", (1,), {"a": 1}, ("shop", 1))
    assert changed_definition(text, CODEC.changes({})) == text
    changed = changed_definition(text, CODEC.changes(checked_fields({"priority": 0}), kwargs={}))
    assert changed == CODEC.encode(RecurringJobRequest("job", timeout=5), "fn", (1,), None, ("shop", 1))
    assert changed_definition(changed, CODEC.changes({}, args=())) == CODEC.encode(
        RecurringJobRequest("job", timeout=5), "fn", job_set=("shop", 1)
    )


def test_equal_definitions_have_the_same_text() -> None:
    """Whether a default was given or not makes no difference, so that a store can compare texts."""
    plain, given_too = RecurringJobRequest("job"), RecurringJobRequest("job", Never(), 0, priority=0)
    assert (
        CODEC.encode(plain, "fn")
        == CODEC.encode(given_too, "fn")
        == '{"v":1,"request":{"v":1,"name":"job"},"target":"fn"}'
    )


def test_many_jobs_with_one_request_write_it_once() -> None:
    calls: list[object] = []

    class Counted(OpeningHours):
        kind = "counted"

        def to_json(self) -> Any:
            calls.append(self)
            return super().to_json()

    codec = DefinitionCodec(checked_kinds("kinds", [Counted]))
    request = RecurringJobRequest("job", Counted())
    texts = {codec.encode(request, "fn", (number,)) for number in range(10)}
    assert len(texts) == 10
    assert len(calls) == 1


def test_the_schedule_in_force_is_a_text_of_its_own() -> None:
    asked, at = Interval(7), instant_us(NOW)
    bound = asked.anchored(NOW)
    assert CODEC.bound(asked, bound, at) == str(at), "the instant says it all"
    assert CODEC.read_bound(asked, str(at)) == bound != asked
    assert CODEC.bound(asked, asked, at) is None
    assert CODEC.read_bound(asked, None) is asked
    both = asked | After(3)
    text = CODEC.bound(both, bound, at)
    assert text is not None
    assert CODEC.read_bound(both, text) == bound
    definition = CODEC.decode(CODEC.encode(RecurringJobRequest("job", asked), "fn"))
    assert definition == Definition(request=RecurringJobRequest("job", asked), target="fn", args=(), kwargs={})


class Mine:
    """It says nothing of how it is kept."""

    def next_after(self, after: datetime) -> datetime:
        return after + timedelta(days=1)

    def delay(self, failed: object, rng: object) -> float:
        return 1

    def __repr__(self) -> str:
        return "Mine()"


class Unequal(Mine):
    kind = "unequal"

    def to_json(self) -> Any:
        return {}

    @classmethod
    def from_json(cls, data: Any) -> "Unequal":
        del data
        return cls()


class Unwritable(Unequal):
    kind = "unwritable"

    def to_json(self) -> Any:
        raise ArithmeticError("no idea")


class Unreadable(Unequal):
    kind = "unreadable"

    @classmethod
    def from_json(cls, data: Any) -> "Unreadable":
        raise ArithmeticError("no idea")


class NoJson(Unequal):
    kind = "no_json"

    def to_json(self) -> Any:
        return {"when": (1, 2)}


OWN = [Unequal, Unwritable, Unreadable, NoJson]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Mine(), r"a durable store cannot keep {}=.*Mine\(\).*: .*kind.*to_json.*kinds=\[MyClass\]"),
        (Unequal(), r"{} reads back as .*not equal.*define __eq__"),
        (Unwritable(), r"cannot keep {}=.*to_json raised ArithmeticError: no idea"),
        (Unreadable(), r"cannot keep {}=.*Unreadable.from_json raised ArithmeticError: no idea"),
        (NoJson(), r"\['when'\] is \(1, 2\), of type tuple, .*write a list"),
        (OpeningHours(), r"cannot keep {}=.*has the kind 'shop.opening_hours'; known: .*kinds=\[MyClass\]"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("where", ["schedule", "part", "retry"])
def test_what_cannot_be_kept_is_refused(value: Any, message: str, where: str) -> None:
    codec = DefinitionCodec(checked_kinds("kinds", OWN))
    if where == "retry":
        value = value if hasattr(value, "delay") else Patience()
        message = message.replace("opening_hours", "patience")
        request = RecurringJobRequest("job", max_retries=1, retry=value)
    elif where == "part":
        request = RecurringJobRequest("job", Except(Between(AnyOf(Cron("@daily"), value), NOW), value, timezone="UTC"))
    else:
        request = RecurringJobRequest("job", value)
    name = "retry" if where == "retry" else "schedule"
    with pytest.raises(ConfigurationError, match=message.format(name)) as caught:
        codec.encode(request, "fn")
    assert caught.value.parameter == name
    changes = {name: getattr(request, name)}
    with pytest.raises(ConfigurationError, match=message.format(name)):
        codec.changes(changes)
    if name == "schedule":
        with pytest.raises(ConfigurationError, match=message.format(name)):
            codec.bound(Never() | After(3), request.schedule, 0)


class Odd(tzinfo):
    """A zone that cannot be named; in it, a time that the clock shows twice."""

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=1 if when is not None and when.fold else 2)

    def dst(self, when: datetime | None) -> None:
        del when

    def tzname(self, when: datetime | None) -> str:
        del when
        return "odd"


@pytest.mark.parametrize("name", ["until", "initial_run_time"])
def test_an_instant_that_reads_back_unequal_is_refused(name: str) -> None:
    when = datetime(2026, 10, 25, 2, 30, tzinfo=Odd())
    with pytest.raises(ConfigurationError, match=f"{name} reads back as .*give the instant in UTC") as caught:
        CODEC.encode(RecurringJobRequest("job", **{name: when}), "fn")
    assert caught.value.parameter == name
    fixed = RecurringJobRequest("job", **{name: when.astimezone(UTC)})
    assert CODEC.decode(CODEC.encode(fixed, "fn")).request == fixed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"v":2}',
        '{"v":true}',
        '{"v":1}',
        '{"v":1,"request":{"v":1,"name":"a"}}',
        '{"v":1,"request":{"v":1,"name":"a"},"target":"fn","call":{"args":5}}',
        '{"v":1,"request":{"v":9,"name":"a"},"target":"fn"}',
        '{"v":1,"request":{"v":1,"name":"a"},"target":"fn","set":1}',
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        CODEC.decode(text)


class TestKinds:
    def test_they_are_read_only_where_they_are_given(self) -> None:
        written = AnyOf(OpeningHours(7), Never()).to_json()
        assert written["schedules"][0] == {"kind": "shop.opening_hours", "data": {"hour": 7}}
        assert schedule_from_json(written, kinds=[OpeningHours]) == AnyOf(OpeningHours(7), Never())
        assert AnyOf.from_json(written, kinds=[OpeningHours]) == AnyOf(OpeningHours(7), Never())
        with pytest.raises(ConfigurationError, match=r"no schedule has the kind 'shop.opening_hours'"):
            schedule_from_json(written)

    @pytest.mark.parametrize("policy", [FixedRetryDelay(5), ExponentialBackoff(), Patience(3)], ids=repr)
    def test_a_retry_policy(self, policy: Any) -> None:
        written = json.loads(json.dumps(RecurringJobRequest("a", max_retries=1, retry=policy).to_json()["retry"]))
        assert retry_from_json(written, kinds=KINDS) == policy
        assert written["kind"] == policy.kind

    def test_a_retry_policy_of_another_kind(self) -> None:
        assert FixedRetryDelay.from_json(FixedRetryDelay(5).to_json()) == FixedRetryDelay(5)
        with pytest.raises(ConfigurationError, match="which is no FixedRetryDelay"):
            FixedRetryDelay.from_json(ExponentialBackoff().to_json())
        with pytest.raises(ConfigurationError, match="must be the dict"):
            retry_from_json("fixed")
        with pytest.raises(
            ConfigurationError, match=r"no retry policy has the kind 'shop.patience'; known: exponential"
        ):
            retry_from_json({"kind": "shop.patience", "data": 3})

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (OpeningHours, "kinds must be several classes"),
            ([OpeningHours()], "kinds must be classes"),
            ([Mine], "Mine cannot be written and read back; give it a text kind"),
            ([type("Half", (), {"kind": "half"})], "Half cannot be written"),
            ([type("Blank", (Unequal,), {"kind": " "})], "Blank cannot be written"),
            ([type("Cron", (Unequal,), {"kind": "cron"})], "the kind 'cron' is one of the library's"),
            ([type("Fixed", (Unequal,), {"kind": "fixed"})], "the kind 'fixed' is one of the library's"),
            ([type("Custom", (Unequal,), {"kind": "custom"})], "the kind 'custom' is one of the library's"),
            ([OpeningHours, type("Other", (Unequal,), {"kind": OpeningHours.kind})], "two classes have the kind"),
        ],
    )
    def test_what_is_no_kind_is_refused(self, classes: Any, message: str) -> None:
        with pytest.raises(ConfigurationError, match=message) as caught:
            checked_kinds("kinds", classes)
        assert caught.value.parameter == "kinds"
        assert checked_kinds("kinds", [OpeningHours, OpeningHours]) == {OpeningHours.kind: OpeningHours}

    def test_a_subclass_takes_no_kind_of_the_library(self) -> None:
        """Defining one once replaced the class that is read for its kind, in the whole process."""

        class Sub(Interval):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  (it is final)
            pass

        class Named(Interval):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  (it is final)
            kind: ClassVar[str] = "named"

        assert type(schedule_from_json(Interval(5).to_json())) is Interval
        for value in (Sub(5), Named(5)):
            with pytest.raises(ConfigurationError, match="cannot keep schedule"):
                CODEC.encode(RecurringJobRequest("job", value), "fn")
