"""Waiting for runs, jobs and idleness, lists of jobs, numbers, and what comes next."""

import json

from engine_driver import Driver, at

from turnkeeper_trio import After, CatchUp, FixedDelay, Interval, JobState
from turnkeeper_trio._engine import queries
from turnkeeper_trio._engine.engine import BATCH


def test_who_waits_for_idleness_is_answered_when_it_has_come():
    driver = Driver()
    assert_waits(driver, idle=True, due=True)
    job = driver.add(schedule=Interval(seconds=10))
    assert_waits(driver, idle=False, due=True)
    (attempt,) = driver.begin(10)
    waiting = driver.wait_idle(), driver.wait_idle(due_only=True)
    driver.turn()
    assert [caller.answered for caller in waiting] == [False, False]
    driver.end(attempt)
    driver.turn()
    assert [caller.answered for caller in waiting] == [False, True]
    driver.cancel(job)
    driver.turn()
    assert [caller.answered for caller in waiting] == [True, True]
    assert waiting[0].result() is None


def assert_waits(driver, *, idle, due):
    command_queue = driver.wait_idle(), driver.wait_idle(due_only=True)
    driver.turn()
    assert [caller.answered for caller in command_queue] == [idle, due]


def test_who_waits_for_a_run_or_a_job_is_answered_once_it_has_ended():
    driver = Driver()
    job = driver.add(schedule=After(10))
    for_run = driver.wait_run(driver.details(job).next_run_instance)
    for_job = driver.wait_job(job)
    (attempt,) = driver.begin(10)
    also = driver.wait_run(driver.active()[0].run_id)
    assert not for_run.answered
    driver.end(attempt, value=1)
    driver.turn()
    assert for_run.result() == also.result() == for_job.result()
    assert driver.wait_job(job).result() == for_job.result()
    assert len(driver.state.waits) == 0


def test_a_list_of_jobs_is_in_the_order_of_submission_and_can_be_narrowed():
    driver = Driver()
    jobs = [driver.add(str(n), Interval(seconds=10), tags=("odd",) if n % 2 else ("even", "two")) for n in range(5)]
    driver.cancel(jobs[1])

    def listed(**options):
        wanted = {"states": None, "tags": None, "after": None, "limit": 100, **options}
        return [summary.name for summary in driver.ask(queries.list_jobs, **wanted).result()]

    assert listed() == ["0", "1", "2", "3", "4"]
    assert listed(states={JobState.CANCELLED}) == ["1"]
    assert listed(tags=["odd"]) == ["1", "3"]
    assert listed(tags=["odd", "two"]) == ["0", "1", "2", "3", "4"]
    assert listed(after=jobs[2].job_id) == ["3", "4"]
    assert listed(limit=2) == ["0", "1"]
    driver.begin(10)
    summary = driver.ask(queries.list_jobs, states=None, tags=None, after=None, limit=1).result()[0]
    assert (summary.active, summary.next_run_time, summary.tags) == (1, at(20), ("even", "two"))
    json.dumps(summary.to_json())


def test_numbers_after_some_runs():
    driver = Driver(max_workers=2)
    job = driver.add(schedule=Interval(seconds=10))
    driver.tick(10)
    driver.advance(1)
    (attempt,) = driver.start_all()
    driver.advance(4)
    driver.end(attempt, value=1)
    driver.cancel(job)
    metrics = driver.metrics()
    assert metrics.jobs_submitted == metrics.jobs_executed_success == 1
    assert metrics.job_queue_scheduled_current == metrics.workers_active_current == 0
    assert (metrics.job_execution_duration.count, metrics.job_execution_duration.sum) == (1, 4)
    assert (metrics.job_queue_wait_duration.count, metrics.job_queue_wait_duration.sum) == (1, 1)
    assert (metrics.books.planned, metrics.books.succeeded, metrics.books.cancelled, metrics.books.ended) == (
        2,
        1,
        1,
        2,
    )
    json.dumps(metrics.to_json())


def test_upcoming_runs_merge_what_is_planned_with_what_follows():
    driver = Driver()
    driver.add("ten", Interval(seconds=10))
    driver.add("delay", FixedDelay(15))
    driver.add("bounded", Interval(seconds=12), until=at(24))

    class Faulty:
        def next_after(self, after):
            if after > at(0):
                raise ValueError
            return at(11)

    driver.add("faulty", Faulty())
    found = list(driver.ask(queries.upcoming_runs, until=None, limit=7).result())
    assert [(run.name, run.scheduled_at) for run in found] == [
        ("ten", at(10)), ("faulty", at(11)), ("bounded", at(12)), ("delay", at(15)), ("ten", at(20)),
        ("bounded", at(24)), ("ten", at(30)),
    ]  # fmt: skip
    until = list(driver.ask(queries.upcoming_runs, until=driver.now.wall + 12_000_000, limit=100).result())
    assert [run.name for run in until] == ["ten", "faulty", "bounded"]
    assert list(driver.ask(queries.upcoming_runs, until=None, limit=0).result()) == []
    assert list(Driver().ask(queries.upcoming_runs, until=None, limit=5).result()) == []


def test_who_waits_until_nothing_is_due_waits_for_the_batches_to_come():
    driver = Driver(listening=False)
    check, driver.check = driver.check, lambda: None
    for _ in range(BATCH + 100):
        driver.add(schedule=After(0), catch_up=CatchUp.NONE)
    caller = driver.wait_idle(due_only=True)
    driver.tick(5)
    assert driver.books.missed == BATCH
    assert not caller.answered
    driver.turn()
    assert caller.answered
    check()
