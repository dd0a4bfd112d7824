"""Which runs and jobs are remembered, and for how long; and ids, which are made when they are first read."""

import pytest
from engine_driver import Driver, at, us

from turnkeeper_trio import After, Interval, JobNotFound, JobState, Outcome, RunNotFound, Snooze
from turnkeeper_trio._model.times import instant_us


def ran(times, job_count=1, **options):
    driver = Driver(max_workers=job_count, **options)
    jobs = [driver.add(f"job {n}", Interval(seconds=10)) for n in range(job_count)]
    for _ in range(times):
        for attempt in driver.begin(10):
            driver.end(attempt, value=driver.seconds)
    return driver, *jobs


def test_the_newest_comes_first_and_a_limit_is_a_limit():
    driver, _ = ran(5)
    assert [record.value for record in driver.history()] == [50, 40, 30, 20, 10]
    assert [record.value for record in driver.history(limit=2)] == [50, 40]
    assert driver.history(limit=0) == []


def test_filters():
    driver, job = ran(3)
    driver.skip(job)
    assert [record.outcome for record in driver.history(outcomes={Outcome.SKIPPED})] == [Outcome.SKIPPED]
    assert len(driver.history(outcomes=[Outcome.SUCCEEDED, Outcome.SKIPPED])) == 4
    assert [record.value for record in driver.history(job, since=instant_us(at(20)))] == [None, 30, 20]
    assert driver.history(driver.add()) == []


def test_only_so_many_are_kept_in_all():
    driver, first, second = ran(5, 2, history_limit=3)
    assert [record.value for record in driver.history()] == [50, 50, 40]
    assert len(driver.history(first)) + len(driver.history(second)) == 3


def test_only_so_many_are_kept_of_each_job():
    driver, first, second = ran(5, 2, history_per_job=2)
    assert [record.value for record in driver.history(first)] == [50, 40]
    assert [record.value for record in driver.history(second)] == [50, 40]


def test_what_is_too_old_goes_when_something_is_added_or_read():
    driver, job = ran(3, history_ttl=us(15))
    assert len(driver.history()) == 2
    run_id = driver.history()[0].run_id
    driver.advance(15)
    assert [record.value for record in driver.history()] == [30]
    driver.advance(0.000001)
    assert len(driver.state.history.runs) == 1
    assert driver.history() == []
    with pytest.raises(RunNotFound):
        driver.wait_run(run_id).result()
    assert driver.details(job).last_run.value == 30


def test_what_did_not_run_never_displaces_what_ran():
    driver, job = ran(2, history_limit=2, history_per_job=2)
    for _ in range(20):
        driver.skip(job)
    assert [record.value for record in driver.history() if record.attempts] == [20, 10]


def test_consecutive_ones_for_one_reason_are_one_record():
    driver, job = ran(1)
    driver.skip(job)
    driver.skip(job)
    driver.tick(35)
    driver.end(driver.start_all()[0])
    driver.skip(job)
    driver.tick(25)
    driver.skip(job)
    told = [(record.outcome, record.count, record.scheduled_at) for record in driver.history(job)]
    assert told == [
        (Outcome.SKIPPED, 1, at(80)),
        (Outcome.MISSED, 1, at(60)),
        (Outcome.SKIPPED, 1, at(50)),
        (Outcome.SUCCEEDED, 1, at(40)),
        (Outcome.SKIPPED, 2, at(30)),
        (Outcome.SUCCEEDED, 1, at(10)),
    ]


def test_another_reason_or_a_run_between_begins_another_record():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.skip(job)
    driver.end(driver.begin(20)[0])
    driver.skip(job)
    run_id = driver.details(job).next_run_instance
    driver.cancel_run(run_id)
    assert [(record.outcome, record.count) for record in driver.history(job)] == [
        (Outcome.CANCELLED, 1), (Outcome.SKIPPED, 1), (Outcome.SUCCEEDED, 1), (Outcome.SKIPPED, 1),
    ]  # fmt: skip


def test_last_runs_are_remembered_by_kind():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    assert driver.details(job).last_run is None
    for value in (1, False, 3, Snooze(100)):
        driver.end(driver.begin(10)[0], value=value)
    details = driver.details(job)
    assert details.last_run.value == details.last_success.value == 3
    assert details.last_failure.reason == "it returned False"
    assert details.consecutive_failures == 0


def test_ended_jobs_are_forgotten_beyond_the_limit_the_oldest_first():
    driver = Driver(history_limit=2)
    jobs = [driver.add(schedule=After(0)) for _ in range(4)]
    driver.cancel(jobs[1])
    driver.cancel(jobs[0])
    driver.cancel(jobs[1])
    driver.cancel(jobs[2])
    assert list(driver.state.jobs) == [jobs[0].job_id, jobs[2].job_id, jobs[3].job_id]
    with pytest.raises(JobNotFound):
        driver.details(jobs[1])


def test_ended_jobs_are_forgotten_when_they_are_too_old():
    driver = Driver(history_ttl=us(10))
    first, second, third = [driver.add(schedule=Interval(seconds=1000)) for _ in range(3)]
    driver.cancel(first)
    driver.advance(4)
    driver.cancel(first)
    driver.advance(6)
    driver.cancel(second)
    assert len(driver.state.jobs) == 3
    driver.advance(0.000001)
    driver.cancel(third)
    assert list(driver.state.jobs) == [second.job_id, third.job_id]


def test_an_ended_job_lets_go_of_what_it_was_called_with():
    driver = Driver()
    job = driver.add(schedule=After(0))
    job = driver.submit(job.request, object(), word=object())
    for attempt in driver.begin():
        assert (len(job.args), len(job.kwargs)) == (1, 1)
        driver.end(attempt)
    assert (job.args, job.kwargs, job.state) == ((), None, JobState.FINISHED)


def test_an_id_is_made_when_it_is_first_read_and_stays():
    driver = Driver(listening=False)
    job = driver.add(schedule=Interval(seconds=10))
    driver.end(driver.begin(10)[0])
    assert driver.state.by_id == {}
    run_id = driver.details(job).next_run_instance
    assert driver.details(job).next_run_instance == run_id
    (attempt,) = driver.begin(10)
    assert driver.active()[0].run_id == run_id
    driver.end(attempt)
    assert driver.history()[0].run_id == run_id
    assert driver.wait_run(run_id).result() == driver.history()[0]
    assert driver.history()[1].run_id != run_id


def test_the_id_of_a_run_that_is_not_kept_is_not_kept_either():
    driver = Driver(history_limit=0)
    job = driver.add(schedule=Interval(seconds=10))
    driver.end(driver.begin(10)[0])
    driver.turn()
    run_id = driver.details(job).last_run.run_id
    with pytest.raises(RunNotFound):
        driver.wait_run(run_id).result()
    assert driver.details(job).last_run.run_id == run_id


def test_a_record_that_grows_is_as_old_as_its_last_occurrence():
    driver = Driver(history_ttl=us(15))
    growing, other = driver.add(schedule=Interval(seconds=10)), driver.add("other", Interval(seconds=10))
    driver.skip(growing)
    driver.skip(other)
    for _ in range(2):
        driver.advance(10)
        driver.skip(growing)
    (record,) = driver.history()
    assert (record.name, record.count) == ("job", 3)
