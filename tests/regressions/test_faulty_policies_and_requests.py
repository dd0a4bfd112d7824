"""Small faults in what users hand in, each taken for something else than it was.

Causes: a retry policy that is false in a condition (one with ``__len__``, say) was taken to be none, and the default
used instead; an ``async def delay`` left a coroutine that nobody awaited, of which Python warned later and elsewhere;
and ``replace`` told of an unknown field without naming it, or as another error than the rest.
"""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from engine_driver import Driver

from turnkeeper_trio import ConfigurationError, RecurringJobRequest


class Empty:
    def __len__(self) -> int:
        return 0

    def delay(self, failed: object, rng: object) -> float:
        return 7


class Asynchronous:
    async def delay(self, failed: object, rng: object) -> float:
        return 7


def test_a_policy_that_is_false_in_a_condition_is_a_policy():
    policy = Empty()
    assert RecurringJobRequest("job", max_retries=1, retry=policy).retry_policy is policy


def test_an_async_policy_is_told_so():
    driver = Driver()
    policy: Any = Asynchronous()
    driver.add(initial_run_time=timedelta(0), max_retries=1, retry=policy)
    (attempt,) = driver.begin()
    driver.fail(attempt)
    (record,) = driver.history()
    assert record.reason == (
        "it raised ValueError; its retry policy is async: a policy answers at once, write plain def"
    )


@pytest.mark.parametrize("name", ["retries", "timeout_us"])
def test_a_field_that_a_request_has_not_is_named(name: str):
    with pytest.raises(ConfigurationError, match=f"a request has no field '{name}', only .*max_retries") as caught:
        RecurringJobRequest("job").replace(**{name: 1})
    assert caught.value.parameter == name


@pytest.mark.parametrize("name", ["initial_run_time", "until"])
def test_an_instant_outside_of_the_calendar_in_utc_is_refused(name: str):
    with pytest.raises(ConfigurationError, match=f"{name} is outside the years 1 to 9999") as caught:
        RecurringJobRequest("job", **{name: datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))})
    assert caught.value.parameter == name
