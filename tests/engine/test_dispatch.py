"""The coordinator's turn: what is moved, what starts in which order, what starts too late, and when to look again."""

import pytest
from engine_driver import Driver, at, names

from turnkeeper_trio import After, FixedDelay, Never, Outcome
from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.rows import AttemptResult
from turnkeeper_trio.events import RunStarted


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


def test_a_run_that_started_before_its_instant_by_the_wall_waited_for_nothing():
    driver = Driver()
    driver.add(schedule=After(10))
    driver.tick(10)
    driver.advance(0, step=-5)
    driver.end(driver.start_all()[0])
    assert driver.metrics().job_queue_wait_duration.sum == 0
