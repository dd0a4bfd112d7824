"""While a run waits for its next attempt, queries say when that comes."""

from datetime import timedelta

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import FixedRetryDelay, Interval, Never, Overlap, Retry, Snooze
from turnkeeper_trio._engine import queries


def waiting(said=None, **options):
    """Return an engine, and a job whose run waits 30 s for its second attempt, from the instant 10."""
    driver = Driver()
    job = driver.add(
        **{"schedule": Interval(seconds=1000), "max_retries": 1, "retry": FixedRetryDelay(30), "key": "key", **options}
    )
    driver.advance(10)
    driver.trigger(job)
    (attempt,) = driver.begin()
    if said is None:
        driver.fail(attempt)
    else:
        driver.end(attempt, value=said)
    return driver, job


def upcoming(driver, limit=2):
    runs = list(driver.ask(queries.upcoming_runs, until=None, limit=limit).result())
    return [(run.scheduled_at, run.attempt) for run in runs]


def summary(driver):
    (found,) = driver.ask(queries.list_jobs, states=None, tags=None, after=None, limit=10).result()
    return found


@pytest.mark.parametrize("said", [None, Snooze(30), Retry(30)])
def test_everything_that_tells_what_comes_tells_of_it(said):
    driver, job = waiting(said)
    driver.advance(5)
    (run,) = driver.active(job)
    details = driver.details(job)
    assert run.phase == "waiting_retry"
    assert run.next_attempt_at == at(40)
    assert details.active_runs == (run,)
    assert details.next_run_time == summary(driver).next_run_time == at(40)
    assert details.next_run_instance == run.run_id
    assert upcoming(driver) == [(at(40), 2), (at(1000), 1)]
    (again,) = driver.begin(25)
    (run,) = driver.active(job)
    assert run.next_attempt_at is None
    assert driver.details(job).next_run_time == summary(driver).next_run_time == at(1000)
    driver.end(again)


def test_it_comes_by_the_clock_of_the_loop():
    driver, job = waiting()
    driver.advance(5, step=3600)
    assert driver.active(job)[0].next_attempt_at == at(3640)


def test_of_two_the_earlier_comes_first():
    driver, job = waiting(schedule=Interval(seconds=20), overlap=Overlap.ALLOW_ALL)
    assert driver.details(job).next_run_time == at(20)
    assert driver.details(job).next_run_instance != driver.active(job)[0].run_id
    assert upcoming(driver, 4) == [(at(20), 1), (at(40), 2), (at(40), 1), (at(60), 1)]


@pytest.mark.parametrize(
    ("options", "comes"),
    [
        ({}, False),
        ({"retry_past_next": True}, True),
        ({"overlap": Overlap.ALLOW_ALL}, True),
        ({"schedule": Interval(seconds=40)}, True),
    ],
)
def test_a_retry_that_the_next_occurrence_will_have_ended_is_not_among_what_comes(options, comes):
    driver, _ = waiting(**{"schedule": Interval(seconds=20), **options})
    assert ((at(40), 2) in upcoming(driver, 10)) == comes


def test_none_comes_while_the_job_is_paused():
    driver, job = waiting()
    driver.pause(job)
    assert driver.active(job)[0].next_attempt_at is None
    assert driver.details(job).next_run_time is None
    assert upcoming(driver) == []
    driver.resume(job)
    assert driver.active(job)[0].next_attempt_at == at(40)


def test_beyond_the_calendar_it_is_the_last_instant():
    driver, job = waiting(Snooze(timedelta(days=366 * 7998)))
    driver.advance(step=timedelta(days=365).total_seconds())
    assert driver.active(job)[0].next_attempt_at.year == 9999


def test_two_retries_of_one_instant():
    driver = Driver()
    job = driver.add(schedule=Never(), max_retries=1, retry=FixedRetryDelay(30), overlap=Overlap.ALLOW_ALL)
    driver.trigger(job)
    driver.trigger(job)
    for attempt in driver.begin():
        driver.fail(attempt)
    assert upcoming(driver) == [(at(30), 2)] * 2
