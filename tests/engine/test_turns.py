"""The coordinator's turn: order of starts, batches, the next deadline, the watchdog, waits, metrics."""

import json

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import After, CatchUp, FixedDelay, Interval, JobState, Never, Outcome, RunPhase
from turnkeeper_trio._engine import queries
from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.rows import AttemptResult
from turnkeeper_trio.events import RunStarted


def names(attempts):
    return [attempt.run.job.request.name for attempt in attempts]


def test_priority_then_instant_then_submission():
    driver = Driver(max_workers=100)
    driver.add("late low", After(5), priority=-1)
    driver.add("early", After(3))
    driver.add("late", After(5))
    driver.add("also early", After(3))
    driver.add("latest but high", After(9), priority=1)
    assert names(driver.begin(10)) == ["latest but high", "early", "also early", "late", "late low"]


def test_a_retry_stands_by_the_instant_of_its_retry():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add("first", After(0), max_retries=1)
    (first,) = driver.begin()
    driver.fail(first)
    driver.add("blocker", After(0))
    (blocker,) = driver.begin()
    driver.add("before the retry", After(10))
    driver.tick(70)
    driver.add("after it", After(0))
    driver.tick(1)
    driver.end(blocker)
    order = []
    for _ in range(3):
        (attempt,) = driver.begin()
        order += names([attempt])
        driver.end(attempt)
    assert order == ["before the retry", "first", "after it"]


def test_only_as_many_are_bound_as_there_is_room_for():
    driver = Driver(max_workers=2, dispatch_buffer=1)
    for number in range(6):
        driver.add(str(number), After(0))
    assert names(driver.tick().assignments) == ["0", "1", "2"]
    assert driver.state.capacity == 0
    assert driver.tick().assignments == []
    driver.end(driver.start_all()[0])
    assert names(driver.tick().assignments) == ["3"]
    assert driver.metrics().workers_active_current == 2


def test_a_revoked_attempt_holds_its_place_until_it_comes_back():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(schedule=After(0))
    driver.tick()
    driver.cancel(job)
    driver.add("next", After(0))
    assert driver.tick().assignments == []
    assert driver.start() is None
    assert names(driver.tick().assignments) == ["next"]


def test_a_high_priority_is_not_overtaken_because_it_came_in_a_later_batch():
    driver = Driver(max_workers=1, dispatch_buffer=0, listening=False)
    for number in range(BATCH + 100):
        driver.engine.accept(driver.now, driver.submission(driver_request(f"low {number}", priority=0)))
    driver.add("high", After(1), priority=1)
    driver.advance(1)
    assert driver.turn().assignments == []
    assert driver.engine.next_due(driver.now) == driver.now.wall
    assert names(driver.turn().assignments) == ["high"]
    assert driver.books.active == BATCH + 101


def test_what_nothing_can_go_before_is_bound_before_all_is_moved():
    driver = Driver(max_workers=2, dispatch_buffer=0, listening=False)
    for number in range(BATCH + 100):
        driver.add(f"low {number}", After(1), priority=int(number == 1))
    driver.advance(1)
    assert names(driver.turn().assignments) == ["low 1"]
    assert names(driver.turn().assignments) == ["low 0"]


def test_what_is_planned_by_the_clock_of_the_loop_is_not_overtaken_either():
    driver = Driver(max_workers=1, dispatch_buffer=0, listening=False)
    for number in range(BATCH):
        driver.add(f"late {number}", After(2))
    driver.add("early", FixedDelay(1))
    driver.advance(2)
    assert names(driver.turn().assignments) == []
    assert names(driver.turn().assignments) == ["early"]


def driver_request(name, **options):
    from turnkeeper_trio import RecurringJobRequest  # noqa: PLC0415

    return RecurringJobRequest(name, After(1), **options)


@pytest.mark.parametrize("kind", ["queue", "delays", "retries"])
def test_what_is_due_is_moved_in_batches(kind):
    driver = Driver(max_workers=10_000, listening=False)
    schedule = FixedDelay(1) if kind == "delays" else After(1)
    check, driver.check = driver.check, lambda: None
    for _ in range(2 * BATCH + 100):
        driver.add(schedule=schedule, max_retries=1)
    driver.advance(1)
    if kind == "retries":
        while len(driver.dispatched) < 2 * BATCH + 100:
            driver.turn()
        for attempt in driver.start_all():
            driver.end(attempt, AttemptResult.RAISED, error=ValueError())
        driver.advance(100)
    moved = [driver.turn().assignments for _ in range(3)]
    assert [len(assignments) for assignments in moved] == [BATCH, BATCH, 100]
    check()


def test_an_exact_batch_takes_one_turn_more_and_no_harm_is_done():
    driver = Driver(max_workers=10_000, listening=False)
    driver.check = lambda: None
    for number in range(BATCH):
        driver.add(schedule=After(0), priority=int(number == 0))
    assert len(driver.turn().assignments) == 1
    assert len(driver.turn().assignments) == BATCH - 1
    assert driver.engine.next_due(driver.now) is None


def test_the_next_turn_is_when_something_is_due():
    driver = Driver()

    def due():
        at_ = driver.engine.next_due(driver.now)
        return None if at_ is None else (at_ - driver.now.wall) / 1e6

    assert due() is None
    driver.add(schedule=Never())
    assert due() is None
    driver.add(schedule=After(50))
    assert due() == 50
    driver.add(schedule=FixedDelay(40))
    assert due() == 40
    driver.advance(0, step=30)
    assert due() == 20
    driver.advance(0, step=-30)
    job = driver.add(initial_run_time=at(0), max_retries=1, stuck_after=35)
    (attempt,) = driver.begin()
    assert due() == 35
    driver.cancel(job, cancel_running=True)
    driver.turn()
    assert due() == 30
    driver.end(attempt)
    driver.turn()
    assert due() == 40


def test_ready_runs_without_room_do_not_make_it_spin():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add(schedule=After(0))
    driver.add(schedule=After(0))
    driver.turn()
    assert driver.state.capacity == 0
    assert len(driver.state.ready) == 1
    assert driver.engine.next_due(driver.now) is None


def test_a_run_that_does_not_unwind_in_its_grace_is_stuck():
    driver = Driver(cleanup_grace=7_000_000)
    driver.add("default", After(0))
    driver.add("own", After(0), cleanup_grace=3)
    attempts = driver.begin()
    for attempt in attempts:
        driver.cancel(attempt.run.job, cancel_running=True)
    driver.turn()
    assert driver.tick(2.9).stuck == []
    assert names(driver.tick(0.1).stuck) == ["own"]
    assert [run.phase for run in driver.active()] == [RunPhase.CLEANING_UP, RunPhase.STUCK]
    assert names(driver.tick(4).stuck) == ["default"]
    assert driver.tick(100).stuck == []
    driver.cut_off(attempts[0])
    driver.cut_off(attempts[1])
    assert driver.books.cancelled == 2


def test_a_run_that_unwinds_in_its_grace_is_not():
    driver = Driver()
    driver.add(schedule=After(0))
    (attempt,) = driver.begin()
    driver.cancel(attempt.run.job, cancel_running=True)
    driver.turn()
    driver.advance(29)
    driver.cut_off(attempt)
    assert driver.tick(10).stuck == []


def test_a_run_that_executes_for_long_is_told_once():
    driver = Driver(max_workers=1, dispatch_buffer=1)
    driver.add("first", After(0), stuck_after=10)
    driver.add("second", After(0), stuck_after=10)
    driver.tick()
    driver.advance(3)
    first = driver.start()
    assert first is not None
    assert driver.tick(9).stuck == []
    assert names(driver.tick(1).stuck) == ["first"]
    assert driver.active()[0].phase is RunPhase.EXECUTING
    assert driver.tick(100).stuck == []
    driver.end(first)
    driver.start()
    assert driver.tick(9).stuck == []
    driver.tick(0.5)
    assert names(driver.tick(0.5).stuck + driver.effects[-2].stuck) == ["second"]


def test_a_run_that_outlives_its_timeout_is_cleaning_up_and_then_stuck():
    driver = Driver()
    driver.add(schedule=After(0), timeout=10, cleanup_grace=5)
    (attempt,) = driver.begin()
    driver.tick(10)
    assert attempt.scope is not None
    attempt.scope.cancel()
    assert driver.active()[0].phase is RunPhase.CLEANING_UP
    driver.tick(2)
    assert driver.active()[0].running_for == 2
    assert len(driver.tick(3).stuck) == 1
    driver.end(attempt, AttemptResult.TIMED_OUT)
    assert driver.books.timed_out == 1


def test_a_run_that_could_only_start_too_late_is_missed():
    driver = Driver(max_workers=1, dispatch_buffer=1)
    driver.add("first", After(0))
    driver.add("bound", After(0), start_deadline=10)
    driver.add("ready", After(0), start_deadline=10)
    driver.add("patient", After(0))
    driver.tick()
    first = driver.start()
    assert first is not None
    driver.advance(10.000001)
    driver.end(first)
    assert driver.start() is None
    assert names(driver.begin()) == ["patient"]
    assert {record.name: record.outcome for record in driver.history() if record.name != "first"} == {
        "bound": Outcome.MISSED, "ready": Outcome.MISSED,
    }  # fmt: skip
    assert driver.history(outcomes=[Outcome.MISSED])[0].reason == "it could not start before its start_deadline"


def test_a_deadline_is_kept_to_the_microsecond_and_is_for_the_first_attempt():
    driver = Driver()
    driver.add(schedule=After(0), start_deadline=10, max_retries=1)
    driver.advance(10)
    (attempt,) = driver.begin()
    driver.fail(attempt)
    assert len(driver.begin(100)) == 1


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


def test_started_attempts_are_told_with_their_lateness():
    driver = Driver()
    driver.add(schedule=After(10))
    driver.tick(10)
    driver.advance(2)
    driver.start()
    driver.turn()
    (event,) = driver.told(RunStarted)
    assert (event.attempt, event.lateness) == (1, 2)
    assert [event.sequence for event in driver.events] == list(range(1, len(driver.events) + 1))


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


def test_a_run_that_started_before_its_instant_by_the_wall_waited_for_nothing():
    driver = Driver()
    driver.add(schedule=After(10))
    driver.tick(10)
    driver.advance(0, step=-5)
    driver.end(driver.start_all()[0])
    assert driver.metrics().job_queue_wait_duration.sum == 0


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
