"""A wrong value is refused where it was written, by an error that names the parameter."""

import math
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from turnkeeper_trio import (
    CatchUp,
    ConfigurationError,
    ExponentialBackoff,
    FixedRetryDelay,
    Interval,
    JobSet,
    Never,
    Once,
    OnConflict,
    Overlap,
    RecurringJobRequest,
    Retry,
    Snooze,
    _validation,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)
DURATIONS = [
    ("5", "must be seconds (a number) or a timedelta, not '5'"),
    (True, "must be seconds (a number) or a timedelta, not True"),
    (Decimal(5), "must be seconds (a number) or a timedelta, not Decimal('5')"),
    (-0.5, "must not be negative, it is -0.5"),
    (timedelta(seconds=-1), "must not be negative, it is datetime.timedelta"),
    (-math.inf, "must be finite, not -inf"),
    (math.nan, "must be finite, not nan"),
    (timedelta.max, "is longer than the calendar: datetime.timedelta"),
]


def refused(parameter: str, text: str, **options: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RecurringJobRequest(**{"name": "job", **options})
    assert caught.value.parameter == parameter
    assert text in str(caught.value)
    assert str(caught.value).startswith(parameter)


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        ("name", "", "must be a string that is not blank, not ''"),
        ("name", "  ", "must be a string that is not blank"),
        ("name", 5, "must be a string that is not blank, not 5"),
        ("key", "", "must be a string that is not blank, not ''"),
        ("schedule", None, "must be a schedule, not None; write Never()"),
        ("schedule", Interval, "write Interval(...), not the class itself"),
        ("schedule", "hourly", "not 'hourly'"),
        ("max_retries", -1, "must be an integer of at least 0, not -1"),
        ("max_retries", True, "must be an integer of at least 0, not True"),
        ("max_retries", 1.0, "must be an integer of at least 0, not 1.0"),
        ("retry", ExponentialBackoff, "must be a policy such as ExponentialBackoff()"),
        ("retry", 30, "must be a policy such as ExponentialBackoff() or FixedRetryDelay(30)"),
        ("retry", FixedRetryDelay(1), "is given, but max_retries is 0"),
        ("initial_run_time", "now", "must be a datetime with a timezone, not 'now'"),
        ("initial_run_time", datetime(2024, 1, 1), "must have a timezone"),  # noqa: DTZ001
        ("initial_run_time", timedelta(seconds=-1), "must not be negative"),
        ("timeout", 0, "must be at least 1e-06 s, or None for no limit, it is 0"),
        ("timeout", 4e-7, "must be at least 1e-06 s, or None for no limit"),
        ("stuck_after", 0, "must be at least 1e-06 s, or None for no limit"),
        ("until", timedelta(1), "must be a datetime with a timezone"),
        ("overlap", "skip", "must be one of Overlap.SKIP, Overlap.BUFFER_ONE"),
        ("overlap", CatchUp.ONE, "must be one of Overlap.SKIP"),
        ("catch_up", None, "must be one of CatchUp.ONE, CatchUp.EARLIEST, CatchUp.NONE, CatchUp.ALL, not None"),
        ("max_concurrent", 2, "is given, but overlap is skip"),
        ("max_concurrent", 0, "must be an integer of at least 1"),
        ("max_waiting", -1, "must be an integer of at least 0"),
        ("retry_past_next", 1, "must be True or False, not 1"),
        ("critical", "yes", "must be True or False, not 'yes'"),
        ("priority", "high", "must be an integer, not 'high'"),
        ("priority", False, "must be an integer, not False"),
        ("max_runs", 0, "must be an integer of at least 1"),
        ("halt_after", 0, "must be an integer of at least 1"),
        ("tags", "nightly", "must be several strings, such as ('nightly',), not 'nightly'"),
        ("tags", 5, "must be several strings"),
        ("tags", ("good", " "), "must be a string that is not blank"),
        ("jitter", math.inf, "must be finite, not inf"),
        *((name, value, text) for value, text in DURATIONS for name in ("timeout", "jitter", "start_deadline")),
        *((name, value, text) for value, text in DURATIONS for name in ("cleanup_grace", "stuck_after")),
    ],
)
def test_a_request_refuses_what_makes_no_sense(parameter: str, value: Any, text: str):
    if isinstance(value, float | timedelta) and parameter in {"timeout", "stuck_after"}:
        text = text.replace("must not be negative", "must be at least 1e-06 s, or None for no limit")
    refused(parameter, text, **{parameter: value})


def test_a_request_takes_what_makes_sense():
    request = RecurringJobRequest(
        "job",
        Interval(seconds=1),
        2,
        key="key",
        retry=FixedRetryDelay(0),
        initial_run_time=timedelta(0),
        timeout=timedelta(microseconds=1),
        cleanup_grace=0,
        stuck_after=0.5,
        overlap=Overlap.ALLOW_ALL,
        max_concurrent=1,
        max_waiting=0,
        catch_up=CatchUp.ALL,
        start_deadline=0,
        retry_past_next=True,
        priority=-5,
        jitter=1.5,
        max_runs=1,
        until=NOW,
        halt_after=1,
        critical=True,
        tags=(tag for tag in ["a", "b"]),  # type: ignore[arg-type]
    )
    assert (request.timeout_us, request.cleanup_grace_us, request.stuck_after_us) == (1, 0, 500_000)
    assert (request.start_deadline_us, request.jitter_us, request.until_us) == (0, 1_500_000, 1_704_067_200_000_000)
    assert request.tags == ("a", "b")
    assert hash(request) == hash(request.replace())


def test_defaults():
    request = RecurringJobRequest("job")
    assert request.schedule == Never()
    assert request.retry is None
    assert request.retry_policy == ExponentialBackoff()
    assert request.timeout_us is request.until_us is request.start_deadline_us is request.stuck_after_us is None
    assert request.overlap is Overlap.SKIP
    assert request.catch_up is CatchUp.ONE


def test_a_field_that_a_request_has_not_is_named():
    with pytest.raises(ConfigurationError, match=r"a request has no field .timeout_us., only .*timeout,") as caught:
        RecurringJobRequest("job").replace(timeout_us=1)
    assert caught.value.parameter == "timeout_us"


def test_a_request_is_copied_and_never_changed():
    request = RecurringJobRequest("job", max_retries=1)
    later = request.with_initial_run_time(NOW)
    assert (request.initial_run_time, later.initial_run_time) == (None, NOW)
    assert request.replace(max_retries=2, retry=FixedRetryDelay(3)).retry_policy == FixedRetryDelay(3)
    with pytest.raises(AttributeError):
        request.name = "other"  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="timeout must be at least"):
        request.replace(timeout=-1)
    with pytest.raises(ConfigurationError, match=r"^at must have a timezone"):
        request.with_initial_run_time(datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="retry is given, but max_retries is 0"):
        request.replace(retry=FixedRetryDelay(3)).replace(max_retries=0)


@pytest.mark.parametrize(
    ("policy", "options", "parameter"),
    [
        (ExponentialBackoff, {"initial": -1}, "initial"),
        (ExponentialBackoff, {"maximum": "long"}, "maximum"),
        (ExponentialBackoff, {"factor": 0.99}, "factor"),
        (ExponentialBackoff, {"factor": math.nan}, "factor"),
        (ExponentialBackoff, {"factor": True}, "factor"),
        (ExponentialBackoff, {"jitter": 1.01}, "jitter"),
        (ExponentialBackoff, {"jitter": -0.01}, "jitter"),
        (ExponentialBackoff, {"jitter": "a bit"}, "jitter"),
        (ExponentialBackoff, {"max_elapsed": -1}, "max_elapsed"),
        (FixedRetryDelay, {"delay": -1}, "delay"),
        (FixedRetryDelay, {"delay": 1, "jitter": 2}, "jitter"),
        (Retry, {"after": -1}, "after"),
        (Snooze, {"delay": None}, "delay"),
    ],
)
def test_policies_and_verdicts_refuse_what_makes_no_sense(policy: Any, options: dict[str, Any], parameter: str):
    with pytest.raises(ConfigurationError, match=f"^{parameter} ") as caught:
        policy(**options)
    assert caught.value.parameter == parameter


def test_a_number_says_its_bounds():
    with pytest.raises(ConfigurationError, match="jitter must be a number from 0 to 1, not 5"):
        FixedRetryDelay(1, jitter=5)
    assert FixedRetryDelay(1, jitter=1).delay(None, random.Random(0)) >= 0  # type: ignore[arg-type]


def test_an_instance_of_a_class_is_asked_for_by_example():
    assert _validation.instance("clock", 5, int, "a number") == 5
    with pytest.raises(ConfigurationError, match="clock must be a number, not 'five'") as caught:
        _validation.instance("clock", "five", int, "a number")
    assert caught.value.parameter == "clock"


def test_members_are_given_back():
    assert _validation.member("on_conflict", OnConflict.KEEP, OnConflict) is OnConflict.KEEP
    assert _validation.optional_duration("grace", None) is None
    assert _validation.optional_duration("grace", 1) == 1_000_000


class Falsy:
    def __len__(self) -> int:
        return 0

    def next_after(self, after: datetime) -> None:
        return None


def test_a_job_set_keeps_jobs_and_functions_side_by_side():
    jobs, schedule = JobSet(), Falsy()

    @jobs.job("fetch", Interval(seconds=5), 2, retry=FixedRetryDelay(1), tags=("net",))
    def fetch() -> None:
        """Fetch."""

    @jobs.job("by hand")
    def by_hand() -> None:
        """Do it."""

    jobs.job("falsy", schedule)(fetch)
    jobs.add(RecurringJobRequest("report", Once(NOW), key="the report"), "report", 1, kwargs={"word": 2})
    assert len(jobs) == 4
    entries = list(jobs)
    assert [(entry.request.name, entry.request.key) for entry in entries] == [
        ("fetch", "fetch"), ("by hand", "by hand"), ("falsy", "falsy"), ("report", "the report"),
    ]  # fmt: skip
    assert entries[0].fn is fetch
    assert entries[0].request.tags == ("net",)
    assert entries[1].request.schedule == Never()
    assert entries[2].request.schedule is schedule
    assert (entries[3].fn, entries[3].args, entries[3].kwargs) == ("report", (1,), {"word": 2})
    with pytest.raises(ConfigurationError, match="the set has a job 'fetch' already"):
        jobs.job("fetch")(by_hand)
    with pytest.raises(ConfigurationError, match="the set has a job 'the report' already"):
        jobs.add(RecurringJobRequest("other", key="the report"), by_hand)
