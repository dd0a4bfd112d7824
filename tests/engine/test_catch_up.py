"""Occurrences whose instants passed before the scheduler could look."""

from datetime import timedelta

import pytest
from engine_driver import Driver, at
from user_schedules import CannotCount, Listed

from turnkeeper_trio import CatchUp, Cron, Except, Interval, JobState, Once, Outcome, Overlap
from turnkeeper_trio.events import OccurrenceMissed
from turnkeeper_trio.schedules import _counting, exclusion


def late(seconds, **options):
    """Return a driver that takes its first turn this late, and the job."""
    driver = Driver(max_workers=100)
    job = driver.add(**{"schedule": Interval(seconds=10), **options})
    driver.tick(seconds)
    return driver, job


@pytest.mark.parametrize(
    ("seconds", "missed", "ran", "following"),
    [
        (10, 0, 10, 20),
        (19.999999, 0, 10, 20),
        (20, 1, 20, 30),
        (29, 1, 20, 30),
        (30, 2, 30, 40),
        (1005, 99, 1000, 1010),
    ],
)
def test_the_latest_runs_once_and_the_others_are_missed(seconds, missed, ran, following):
    driver, job = late(seconds)
    (attempt,) = driver.start_all()
    driver.end(attempt)
    run, *others = driver.history(job)
    assert run.scheduled_at == run.due_at == at(ran)
    assert run.lateness == pytest.approx(seconds - ran)
    assert sum(record.count for record in others) == missed == driver.books.missed
    assert driver.books.planned == missed + 2
    assert driver.details(job).next_run_time == at(following)
    if missed:
        (record,) = others
        assert record.outcome is Outcome.MISSED
        assert record.scheduled_at == at(ran - 10)
        assert record.reason == "its instant passed before the scheduler could look"
        (event,) = driver.told(OccurrenceMissed)
        assert (event.count, event.scheduled_at, event.job_id) == (missed, at(ran - 10), job.job_id)


def test_a_million_missed_ones_are_counted_and_not_listed():
    driver, _ = late(10_000_000, schedule=Interval(seconds=1))
    assert driver.books.missed == 9_999_999


def test_a_schedule_that_cannot_count_is_listed_up_to_a_limit_and_the_record_says_so():
    class Seconds:
        def next_after(self, after):
            return after + timedelta(seconds=1)

    driver, job = late(500, schedule=Seconds())
    assert driver.books.missed == 499
    assert driver.history(job)[0].reason == "its instant passed before the scheduler could look"
    driver, job = late(5000, schedule=Seconds())
    assert driver.books.missed == 1001
    assert driver.history(job)[0].reason.endswith("(at least 1001: the schedule cannot count them)")


@pytest.mark.parametrize("answer", [-1, None, True, "many", ArithmeticError("no")])
@pytest.mark.parametrize("catch_up", [CatchUp.ONE, CatchUp.ALL])
def test_a_faulty_count_halts_the_job_and_the_occurrence_runs(answer, catch_up):
    driver, job = late(10, schedule=CannotCount(answer), catch_up=catch_up)
    assert job.state is JobState.HALTED
    (attempt,) = driver.start_all()
    assert attempt.run.occurrence.scheduled_at == job.schedule.next_after(at(0)).timestamp() * 1_000_000
    assert driver.books.pending == 0


def test_the_id_of_the_pending_occurrence_is_that_of_the_missed_one():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    run_id = driver.details(job).next_run_instance
    caller = driver.wait_run(run_id)
    driver.tick(35)
    assert caller.result().outcome is Outcome.MISSED
    assert caller.result().run_id == run_id
    assert driver.wait_run(run_id).result() == caller.result()


def test_jitter_keeps_the_latest_for_later_and_the_one_before_it_runs():
    kept = {0: 0, 1: 0}
    for seed in range(40):
        driver = Driver(seed=seed)
        job = driver.add(schedule=Interval(seconds=10), jitter=9)
        driver.tick(44)
        (attempt,) = driver.start_all()
        ran = attempt.run.occurrence.scheduled_at
        due = driver.details(job).next_run_time
        if at(44) < due < at(50):
            kept[1] += 1
            assert ran == at(30).timestamp() * 1e6
            assert driver.books.missed == 2
            assert attempt.run.occurrence.due_at == ran
        else:
            kept[0] += 1
            assert ran == at(40).timestamp() * 1e6
            assert driver.books.missed == 3
            assert at(50) <= due < at(60)
        assert driver.books.planned == driver.books.missed + 2
    assert min(kept.values()) > 5


def test_jitter_that_keeps_the_only_other_one_leaves_the_first_to_run():
    for seed in range(40):
        driver = Driver(seed=seed)
        job = driver.add(schedule=Listed([at(10), at(20)]), jitter=9)
        driver.tick(24)
        (attempt,) = driver.start_all()
        if driver.details(job).next_run_time is not None:
            assert attempt.run.occurrence.scheduled_at == at(10).timestamp() * 1e6
            assert driver.books.missed == 0
            assert driver.books.pending == 1
            return
    raise AssertionError


def test_what_happens_once_runs_however_late():
    driver, job = late(1_000_000, schedule=Once(at(5)))
    driver.end(driver.start_all()[0])
    assert driver.history(job)[0].lateness == 999_995
    assert job.state is JobState.FINISHED


@pytest.mark.parametrize(
    ("seconds", "missed", "ran"), [(10.999, 0, [10]), (11, 1, []), (25, 2, []), (30.999, 2, [30]), (31, 3, [])]
)
def test_none_runs_nothing_that_is_late_by_a_second(seconds, missed, ran):
    driver, job = late(seconds, catch_up=CatchUp.NONE)
    assert [attempt.run.occurrence.scheduled_at / 1e6 for attempt in driver.start_all()] == [
        at(second).timestamp() for second in ran
    ]
    assert driver.books.missed == missed
    assert driver.details(job).next_run_time == at(seconds // 10 * 10 + 10)


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ALL, Overlap.BUFFER_ONE])
def test_all_runs_each_in_order_one_after_the_other(overlap):
    driver, job = late(55, catch_up=CatchUp.ALL, overlap=overlap)
    ran = []
    while driver.dispatched:
        (attempt,) = driver.start_all()
        ran.append(attempt.run.occurrence.scheduled_at / 1e6 - at(0).timestamp())
        driver.end(attempt)
        driver.tick()
    assert ran == [10, 20, 30, 40, 50]
    assert driver.details(job).next_run_time == at(60)
    assert driver.books.missed == 0


@pytest.mark.parametrize("max_waiting", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("schedule", [Interval(seconds=10), Listed([at(10 * n) for n in range(1, 60)])])
def test_all_runs_the_last_ones_and_the_others_are_missed(max_waiting, schedule):
    driver, job = late(105, schedule=schedule, catch_up=CatchUp.ALL, max_waiting=max_waiting, overlap=Overlap.ALLOW_ALL)
    keep = max(1, max_waiting)
    assert [attempt.run.occurrence.scheduled_at / 1e6 - at(0).timestamp() for attempt in driver.start_all()] == [
        10 * n for n in range(11 - keep, 11)
    ]
    assert driver.books.missed == 10 - keep
    assert driver.history(job)[-1].scheduled_at == at(10 * (10 - keep))


def test_what_lies_after_until_is_not_missed():
    driver, job = late(105, until=at(45))
    assert driver.books.missed == 3
    (attempt,) = driver.start_all()
    assert attempt.run.occurrence.scheduled_at == at(40).timestamp() * 1e6
    driver.end(attempt)
    assert job.state is JobState.FINISHED


def test_all_with_max_runs_skips_what_is_too_much():
    driver, job = late(55, catch_up=CatchUp.ALL, overlap=Overlap.ALLOW_ALL, max_runs=3)
    assert len(driver.start_all()) == 3
    assert driver.books.skipped == 2
    assert {record.reason for record in driver.history(job)} == {"its job has had all its runs"}


@pytest.mark.parametrize("catch_up", CatchUp)
def test_an_initial_run_time_in_the_past_is_caught_up_by_the_same_rule(catch_up):
    driver = Driver(max_workers=100)
    driver.add(schedule=Interval(seconds=10), initial_run_time=at(-25), catch_up=catch_up, overlap=Overlap.ALLOW_ALL)
    driver.tick()
    ran = [attempt.run.occurrence.scheduled_at / 1e6 - at(0).timestamp() for attempt in driver.start_all()]
    assert ran == {CatchUp.ONE: [-5], CatchUp.EARLIEST: [-25], CatchUp.NONE: [], CatchUp.ALL: [-25, -15, -5]}[catch_up]
    assert driver.books.missed + len(ran) == 3


@pytest.mark.parametrize(
    ("seconds", "missed", "following"), [(10, 0, 20), (19, 0, 20), (20, 1, 30), (29, 1, 30), (1005, 99, 1010)]
)
def test_the_earliest_runs_once_and_the_others_are_missed(seconds, missed, following):
    driver, job = late(seconds, catch_up=CatchUp.EARLIEST)
    (attempt,) = driver.start_all()
    driver.end(attempt)
    run, *others = driver.history(job)
    assert run.scheduled_at == run.due_at == at(10)
    assert run.lateness == pytest.approx(seconds - 10)
    assert sum(record.count for record in others) == missed == driver.books.missed
    assert driver.books.planned == missed + 2
    assert driver.details(job).next_run_time == at(following)
    if missed:
        (record,) = others
        assert (record.outcome, record.scheduled_at) == (Outcome.MISSED, at(following - 10))
        (event,) = driver.told(OccurrenceMissed)
        assert (event.count, event.scheduled_at) == (missed, at(following - 10))
        assert event.run_id == record.run_id != run.run_id


@pytest.mark.parametrize(("seconds", "missed"), [(20, 0), (30, 1), (40, 2)])
def test_the_latest_is_not_missed_while_its_jitter_keeps_it_for_later(seconds, missed):
    driver = Driver(seed=5, max_workers=100)
    job = driver.add(schedule=Interval(seconds=10), catch_up=CatchUp.EARLIEST, jitter=9)
    driver.tick(seconds)
    assert driver.details(job).next_run_time > at(seconds)
    assert job.pending.scheduled_at == at(seconds).timestamp() * 1_000_000
    assert driver.books.missed == missed
    assert len(driver.start_all()) == 1


def test_a_schedule_that_contradicts_itself_halts_its_job():
    class Forgetful:
        answers = 2

        def next_after(self, after):
            self.answers -= 1
            return after + timedelta(seconds=1) if self.answers >= 0 else None

    _, job = late(10, schedule=Forgetful())
    assert job.state is JobState.HALTED
    assert job.reason == "Forgetful contradicts itself: it must always answer alike"


def test_a_schedule_that_counts_too_few_is_not_listed_without_end():
    class CountsNothing:
        def next_after(self, after):
            return after + timedelta(seconds=1)

        def count_between(self, after, until):
            return 0

    _, job = late(10_000_000, schedule=CountsNothing(), catch_up=CatchUp.ALL, max_waiting=5)
    assert job.reason == "CountsNothing contradicts itself: it must always answer alike"


@pytest.mark.parametrize("max_waiting", [5, 20, 200])
def test_all_of_a_schedule_whose_count_is_given_up(max_waiting, monkeypatch):
    """What cannot be counted exactly is taken to be more than may wait: fewer run, and the record says "at least"."""
    monkeypatch.setattr(exclusion, "DAYS_IN_A_ROW", 7)
    monkeypatch.setattr(_counting, "MOST_DAYS", 1)
    schedule = Except(Cron("0 9 * * *"), Except(Cron("0 9 * * *"), Cron("0 9 * * 1-5")))
    driver, job = late(
        100 * 86_400, schedule=schedule, catch_up=CatchUp.ALL, max_waiting=max_waiting, overlap=Overlap.ALLOW_ALL
    )
    assert job.state is JobState.ACTIVE
    ran = [attempt.run.occurrence.scheduled_at for attempt in driver.start_all()]
    assert 5 <= len(ran) <= max_waiting
    assert ran == sorted(ran)
    (missed,) = (record for record in driver.history(job) if record.outcome is Outcome.MISSED)
    assert "at least" in missed.reason
    driver.check()
