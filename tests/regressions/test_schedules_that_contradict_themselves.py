"""A user's schedule that answered differently when it was asked again killed the scheduler, or had it list for hours.

Cause: catch-up took it for granted that what the schedule had said once it would say again. Such a schedule is faulty
like one that raises: it halts its job, and nothing else.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import CatchUp, JobState


class Forgetful:
    """Each second, but it answers only a number of times."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def next_after(self, after: datetime) -> datetime | None:
        self.answers -= 1
        return after + timedelta(seconds=1) if self.answers >= 0 else None

    def count_between(self, after: datetime, until: datetime) -> int:
        return 0


class CountsNothing:
    """Each second, but it counts no occurrence."""

    def next_after(self, after: datetime) -> datetime:
        return after.replace(microsecond=0) + timedelta(seconds=1)

    def count_between(self, after: datetime, until: datetime) -> int:
        return 0


class Wrong(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        raise LookupError("no such zone")


class OfNoZone:
    def next_after(self, after: datetime) -> datetime:
        return datetime(2030, 1, 1, tzinfo=Wrong())


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_schedule_that_forgets_its_answers_halts_its_job(catch_up: CatchUp):
    for answers in range(1, 40):
        driver = Driver()
        job = driver.add(schedule=Forgetful(answers), catch_up=catch_up)
        driver.tick(10)
        driver.run_until_quiet()
        assert job.state in {JobState.HALTED, JobState.ACTIVE, JobState.FINISHED}
        driver.check()
    driver = Driver()
    job = driver.add(schedule=Forgetful(2), catch_up=catch_up)
    driver.tick(10)
    assert job.state is JobState.HALTED
    assert "contradicts itself" in job.reason


def test_a_schedule_that_miscounts_is_not_listed_without_end():
    driver = Driver()
    job = driver.add(schedule=CountsNothing(), catch_up=CatchUp.ALL, max_waiting=5)
    driver.tick(1_000_000_000)
    assert job.state is JobState.HALTED
    assert "contradicts itself" in job.reason


def test_a_timezone_that_raises_is_a_fault_of_the_schedule():
    driver = Driver()
    job: Any = driver.add(schedule=OfNoZone())
    assert job.state is JobState.HALTED
    assert "whose timezone raises LookupError: no such zone" in job.reason
    assert at(0) == datetime(2024, 1, 1, tzinfo=UTC)
