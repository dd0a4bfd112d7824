"""When a job's occurrences are planned, and when they are due."""

from datetime import time, timedelta
from typing import Any

import pytest
from engine_driver import Driver, at
from user_schedules import FAULTS, CannotBind, FaultyFrom, Listed

from turnkeeper_trio import (
    EVERY_DAY,
    After,
    FixedDelay,
    Interval,
    JobState,
    Never,
    Once,
    Origin,
    PriorityQueueType,
    WeekdayTimes,
)

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"schedule": Never()}, None),
        ({"schedule": Once(at(5))}, 5),
        ({"schedule": Once(at(-5))}, -5),
        ({"schedule": Once(at(0))}, 0),
        ({"schedule": After(7)}, 7),
        ({"schedule": After(0)}, 0),
        ({"schedule": Interval(seconds=9)}, 9),
        ({"schedule": Interval(seconds=9, anchor=at(4))}, 4),
        ({"schedule": Interval(seconds=9, anchor=at(0))}, 9),
        ({"schedule": FixedDelay(8)}, 8),
        ({"schedule": WeekdayTimes.on(EVERY_DAY, time(0), time(6))}, 6 * 3600),
        ({"schedule": Listed([at(-3), at(0), at(3)])}, 3),
        ({"schedule": Listed([])}, None),
        ({"initial_run_time": at(3)}, 3),
        ({"initial_run_time": at(-3)}, -3),
        ({"initial_run_time": MINUTE}, 60),
        ({"schedule": FixedDelay(8), "initial_run_time": MINUTE}, 60),
        ({"schedule": Interval(seconds=9, anchor=at(0)), "initial_run_time": at(5)}, 5),
        ({"schedule": Once(at(20)), "until": at(20)}, 20),
        ({"schedule": Once(at(20)), "until": at(19)}, None),
        ({"initial_run_time": at(20), "until": at(19)}, None),
        ({"schedule": FixedDelay(8), "until": at(7)}, None),
    ],
)
def test_the_first_occurrence(options: dict[str, Any], seconds: float | None):
    driver = Driver()
    job = driver.add(**options)
    assert driver.details(job).next_run_time == (None if seconds is None else at(seconds))
    assert driver.books.planned == driver.books.pending == (seconds is not None)
    # A job whose bounds allow no run is finished; a job without occurrences of its own runs by hand.
    assert job.state is (JobState.FINISHED if "until" in options and seconds is None else JobState.ACTIVE)


@pytest.mark.parametrize(
    ("options", "instants"),
    [
        ({"schedule": Interval(seconds=10)}, [10, 20, 30, 40]),
        ({"schedule": Interval(seconds=10), "initial_run_time": at(3)}, [3, 13, 23, 33]),
        ({"schedule": Interval(seconds=10, anchor=at(0)), "initial_run_time": at(3)}, [3, 10, 20, 30, 40]),
        ({"schedule": FixedDelay(10), "initial_run_time": at(3)}, [3, 15, 27, 39]),
        ({"schedule": FixedDelay(10)}, [10, 22, 34]),
        ({"schedule": Interval(seconds=10), "max_runs": 2}, [10, 20]),
        ({"schedule": Interval(seconds=10), "until": at(30)}, [10, 20, 30]),
        ({"schedule": FixedDelay(10), "max_runs": 2}, [10, 22]),
        ({"schedule": Listed([at(4), at(5), at(20)])}, [4, 20]),
        ({"schedule": After(1)}, [1]),
    ],
)
def test_the_occurrences_that_run(options: dict[str, Any], instants: list[float]):
    """Each run takes two seconds."""
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(**options)
    began = []
    for _ in range(80):
        for attempt in driver.begin(0.5):
            began.append(driver.seconds)
            assert attempt.run.occurrence.origin is (
                Origin.INITIAL if not began[1:] and "initial_run_time" in options else Origin.SCHEDULE
            )
        for attempt in tuple(driver.executing):
            if driver.now.loop - attempt.started.loop >= 2_000_000:
                driver.end(attempt)
    assert [second for second in began if second <= 40] == instants
    forever = isinstance(options.get("schedule"), Interval | FixedDelay) and not {"until", "max_runs"} & set(options)
    assert (job.state is JobState.FINISHED) != forever


def test_a_run_by_hand_does_not_count_against_max_runs():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), max_runs=1)
    for _ in range(3):
        driver.trigger(job)
        driver.end(driver.begin()[0])
    driver.end(driver.begin(10)[0])
    assert job.state is JobState.FINISHED
    assert driver.books.succeeded == 4


@pytest.mark.parametrize("queue", PriorityQueueType)
def test_jitter_is_never_early_and_never_past_the_next_occurrence(queue: PriorityQueueType):
    driver = Driver(queue=queue)
    job = driver.add(schedule=Interval(seconds=10), jitter=25)
    lates = []
    for number in range(1, 200):
        late = (driver.details(job).next_run_time - at(10 * number)).total_seconds()
        lates.append(late)
        driver.advance(10 * number + late - driver.seconds)
        driver.end(driver.begin()[0])
    assert 0 <= min(lates) < 1
    assert 9 < max(lates) < 10


def test_jitter_of_a_single_occurrence_is_bounded_by_itself():
    lates = set()
    for seed in range(50):
        driver = Driver(seed=seed)
        lates.add((driver.details(driver.add(schedule=Once(at(1)), jitter=2)).next_run_time - at(1)).total_seconds())
    assert 0 <= min(lates) < 0.5
    assert 1.5 < max(lates) <= 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("jitter", [0, 5])
def test_a_faulty_schedule_halts_its_job_after_its_last_good_occurrence(fault: str, jitter: float):
    driver = Driver()
    good = driver.add("good", Interval(seconds=10))
    job = driver.add(schedule=FaultyFrom(timedelta(seconds=10), at(0), at(20), fault), jitter=jitter)
    for _ in range(8):
        for attempt in driver.begin(10):
            driver.end(attempt)
    assert job.state is JobState.HALTED
    assert "FaultyFrom.next_after" in job.reason
    assert len(driver.history(job)) == (2 if not jitter else 1)
    assert good.state is JobState.ACTIVE
    assert len(driver.history(good)) == 8


def test_a_schedule_that_cannot_be_bound_halts_its_job_at_once():
    driver = Driver()
    job = driver.add(schedule=CannotBind())
    assert driver.details(job).state is JobState.HALTED
    assert "CannotBind.anchored must return a schedule" in driver.details(job).state_reason


def test_a_fixed_delay_goes_by_the_clock_of_the_event_loop():
    driver = Driver()
    driver.add(schedule=FixedDelay(10))
    assert driver.tick(0, step=3600).assignments == []
    assert driver.tick(9.999999, step=-7200).assignments == []
    assert len(driver.tick(0.000001).assignments) == 1


def test_an_instant_goes_by_the_wall_and_does_not_come_again_when_the_wall_is_set_back():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.tick(0, step=10)
    driver.end(driver.start_all()[0])
    driver.advance(0, step=-3600)
    assert driver.tick(3600).assignments == []
    assert driver.details(job).next_run_time == at(20)
    driver.end(driver.begin(20 - driver.seconds)[0])
    assert [record.scheduled_at for record in driver.history(job)] == [at(20), at(10)]


def test_jitter_leaves_the_instant_of_the_next_occurrence_to_the_next():
    dues = set()
    for seed in range(40):
        driver = Driver(seed=seed)
        job = driver.add(schedule=Listed([at(1), at(1.000002), at(2)]), jitter=10)
        dues.add(driver.details(job).next_run_time)
    assert dues == {at(1), at(1.000001)}
