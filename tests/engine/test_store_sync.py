"""What a store is told of each decision, and what becomes of jobs that it gives, that are released, lost, handed back.

After each turn `ModelStore.check` compares all rows with the images of the tables, and each step checks the books.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from engine_driver import Caller, Driver, at, stored, us
from user_schedules import CannotBind, FaultyFrom

from turnkeeper_trio import (
    After,
    CancelJob,
    CatchUp,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobNotFound,
    JobState,
    Never,
    OnConflict,
    OnCrash,
    Origin,
    Outcome,
    Overlap,
    RecurringJobRequest,
    SchedulerClosed,
    Snooze,
)
from turnkeeper_trio._engine import control, queries
from turnkeeper_trio._engine.rows import AttemptResult, Job
from turnkeeper_trio._engine.submission import apply_set
from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio.abc import JobChange, JobImage, Opened, RunImage, RunState
from turnkeeper_trio.errors import StoredError
from turnkeeper_trio.events import JobHalted, RunFinished


def last_change(driver: Driver) -> JobChange:
    """Return the one change of the last turn."""
    assert driver.store is not None
    (change,) = driver.store.batches[-1]
    return change


def image_of(change: JobChange) -> JobImage:
    assert change.image is not None
    return change.image


def states(change: JobChange) -> list[RunState]:
    return [run.state for run in change.runs]


def row_of(driver: Driver, job: Job) -> Any:
    assert driver.store is not None
    return driver.store.rows[job.job_id]


def run_rows(driver: Driver, job: Job) -> list[RunImage]:
    return list(row_of(driver, job).runs.values())


def there(driver: Driver, job: Job) -> Job:
    """Return the job as the next process has it."""
    return driver.state.jobs[job.job_id]


class TestTold:
    def test_without_a_store_nothing_is_noted(self):
        driver = Driver()
        driver.add(schedule=After(0))
        driver.end(driver.begin()[0])
        driver.turn()
        log = driver.state.change_log
        assert driver.changes == []
        assert (log.touched, log.ended, log.dropped, log.forgotten, log.settings) == ({}, {}, {}, {}, {})

    def test_a_job_is_told_with_its_definition_once(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), tags=("a",), priority=3, key="key")
        driver.turn()
        change = last_change(driver)
        assert (change.new, change.job_id, change.seq, change.release, change.forget) == (
            True, job.job_id, 1, False, False,
        )  # fmt: skip
        definition = change.definition
        assert definition is not None
        assert (definition.key, definition.name, definition.target) == ("key", "job", "target")
        assert (definition.tags, definition.priority, definition.job_set) == (("a",), 3, None)
        assert json.loads(definition.text)["request"]["schedule"]["microseconds"] == us(10)
        image = image_of(change)
        assert image.pending is not None
        assert (image.pending.due_at, image.wake_at) == (instant_us(at(10)),) * 2
        driver.turn()
        assert driver.store is not None
        assert driver.store.batches[-1] == []
        driver.update(job, priority=4)
        driver.turn()
        change = last_change(driver)
        assert (change.new, image_of(change).version) == (False, 2)
        assert change.definition is not None
        driver.pause(job)
        driver.turn()
        assert last_change(driver).definition is None

    def test_what_is_accepted_due_and_begun_in_one_turn_is_one_change(self):
        driver = stored()
        driver.add(schedule=After(0))
        driver.turn()
        change = last_change(driver)
        assert states(change) == [RunState.STARTED]
        assert (change.runs[0].attempts, image_of(change).pending) == (1, None)

    def test_what_waits_for_a_worker_is_due(self):
        driver = stored(max_workers=1, dispatch_buffer=0)
        for _ in range(2):
            driver.add(schedule=After(0))
        driver.turn()
        assert driver.store is not None
        assert [states(change) for change in driver.store.batches[-1]] == [[RunState.STARTED], [RunState.DUE]]

    def test_a_retry_has_its_time_and_its_error(self):
        driver = stored()
        job = driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(60))
        driver.fail(driver.begin()[0])
        driver.turn()
        change = last_change(driver)
        (run,) = change.runs
        assert (run.state, run.attempts, run.failures, run.wake_at) == (RunState.RETRY, 1, 1, instant_us(at(60)))
        assert image_of(change).wake_at == run.wake_at
        told = json.loads(run.error or "")
        assert (told["type"], told["message"]) == ("ValueError", "no")
        driver.begin(60)
        assert states(last_change(driver)) == [RunState.STARTED]
        assert last_change(driver).runs[0].wake_at is None
        assert row_of(driver, job).image.wake_at == instant_us(at(0))

    def test_a_snooze_has_its_time_and_no_error(self):
        driver = stored()
        driver.add(schedule=After(0))
        driver.end(driver.begin()[0], value=Snooze(60))
        driver.turn()
        (run,) = last_change(driver).runs
        assert (run.state, run.failures, run.error, run.wake_at) == (RunState.SNOOZED, 0, None, instant_us(at(60)))

    def test_a_run_that_ended_has_its_outcome_and_value(self):
        driver = stored()
        driver.add(schedule=After(0))
        attempt = driver.begin()[0]
        driver.advance(2)
        driver.end(attempt, value={"a": [1]})
        driver.turn()
        change = last_change(driver)
        (run,) = change.runs
        assert (run.state, run.outcome, run.executed, run.finished_at) == (
            RunState.ENDED, Outcome.SUCCEEDED, us(2), instant_us(at(2)),
        )  # fmt: skip
        assert json.loads(run.value or "") == {"value": {"a": [1]}}
        image = image_of(change)
        assert (image.state, image.last_run, image.last_success, image.last_failure) == (JobState.FINISHED, 1, 1, None)
        assert image.wake_at is None

    @pytest.mark.parametrize(
        ("decide", "state", "outcome"),
        [
            (Driver.skip, JobState.ACTIVE, Outcome.SKIPPED),
            (Driver.cancel, JobState.CANCELLED, Outcome.CANCELLED),
            (lambda driver, job: driver.pause(job, note="why"), JobState.PAUSED, Outcome.CANCELLED),
            (lambda driver, job: driver.update(job, schedule=Interval(seconds=7)), JobState.ACTIVE, Outcome.SUPERSEDED),
        ],
    )
    def test_commands(self, decide: Callable[[Driver, Job], Any], state: JobState, outcome: Outcome):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10))
        driver.turn()
        decide(driver, job)
        driver.turn()
        change = last_change(driver)
        image = image_of(change)
        assert (image.state, [run.outcome for run in change.runs]) == (state, [outcome])
        assert (image.held is not None) == (state is JobState.PAUSED)
        assert image.reason == ("why" if state is JobState.PAUSED else "")
        if image.held is not None:
            assert (image.held.entry, image.held.run_id, image.held.due_at) == (1, None, instant_us(at(10)))
            driver.resume(job)
            driver.turn()
            assert image_of(last_change(driver)).pending is not None

    def test_a_halt(self):
        driver = stored()
        driver.add(schedule=Interval(seconds=10), halt_after=1)
        driver.fail(driver.begin(10)[0])
        driver.turn()
        image = image_of(last_change(driver))
        assert (image.state, image.reason) == (JobState.HALTED, "1 runs in a row failed for good")
        assert (image.consecutive_failures, image.last_failure, image.wake_at) == (1, 1, None)
        assert image.held is not None

    def test_occurrences_that_are_merged_have_one_row(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), catch_up=CatchUp.NONE)
        driver.turn()
        for _ in range(3):
            driver.tick(23)
        (row,) = run_rows(driver, job)
        assert (row.outcome, row.count, row.entry) == (Outcome.MISSED, 6, 1)
        assert driver.history(job)[0].count == 6

    def test_catch_up_of_all(self):
        driver = stored(max_workers=9)
        job = driver.add(schedule=Interval(seconds=10), catch_up=CatchUp.ALL)
        driver.turn()
        driver.tick(35)
        assert sorted(row.state for row in run_rows(driver, job)) == [RunState.DUE, RunState.DUE, RunState.STARTED]
        assert [row.entry for row in sorted(run_rows(driver, job), key=lambda row: row.scheduled_at)] == [1, 2, 3]

    def test_max_runs(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), max_runs=2)
        driver.end(driver.begin(10)[0])
        driver.turn()
        assert row_of(driver, job).image.ran == 1
        driver.end(driver.begin(10)[0])
        driver.turn()
        image = row_of(driver, job).image
        assert (image.ran, image.state) == (2, JobState.FINISHED)

    def test_an_overlap_that_a_caller_chose(self):
        driver = stored(max_workers=3)
        job = driver.add()
        driver.trigger(job)
        driver.begin()
        driver.trigger(job, overlap=Overlap.BUFFER_ALL)
        driver.turn()
        waiting = [row for row in run_rows(driver, job) if row.state is RunState.DUE]
        assert [(row.overlap, row.origin) for row in waiting] == [("buffer_all", Origin.TRIGGER)]

    def test_a_deleted_job_is_gone_with_its_rows(self):
        driver = stored()
        job = driver.add(schedule=After(0))
        driver.end(driver.begin()[0])
        driver.turn()
        driver.delete(job)
        driver.turn()
        assert (last_change(driver).image, last_change(driver).runs) == (None, ())
        assert driver.store is not None
        assert driver.store.rows == {}

    def test_one_that_executes_stays_until_its_run_is_forgotten(self):
        driver = stored(history_limit=0)
        job = driver.add(schedule=After(0))
        (attempt,) = driver.begin()
        driver.delete(job)
        driver.turn()
        change = last_change(driver)
        assert (change.forget, image_of(change).deleted, image_of(change).wake_at) == (True, True, instant_us(at(0)))
        assert states(change) == [RunState.STARTED]
        driver.end(attempt)
        driver.turn()
        assert driver.state.remains == {}

    def test_replaced_beside_a_run_that_executes_it_is_one_row(self):
        driver = stored()
        request = RecurringJobRequest("job", After(0), key="key")
        job = driver.submit(request)
        (attempt,) = driver.begin()
        driver.submit(request.replace(schedule=Interval(seconds=50)), on_conflict=OnConflict.REPLACE)
        driver.turn()
        change = last_change(driver)
        assert (change.new, change.forget, change.seq) == (False, True, 2)
        assert [(run.state, run.retired, run.entry) for run in change.runs] == [(RunState.STARTED, True, 1)]
        assert image_of(change).pending is not None
        assert image_of(change).pending.entry == 2
        driver.end(attempt, value=CancelJob("not of this job"))
        driver.turn()
        assert states(last_change(driver)) == [RunState.ENDED]
        assert row_of(driver, job).image.state is JobState.ACTIVE

    def test_a_job_added_and_deleted_in_one_turn_is_not_told(self):
        driver = stored()
        driver.delete(driver.add(schedule=After(10)))
        driver.turn()
        assert driver.changes == []

    def test_a_new_job_with_the_id_of_one_deleted_in_the_same_turn(self):
        driver = stored()
        request = RecurringJobRequest("job", After(10), key="key")
        job = driver.submit(request)
        driver.turn()
        driver.delete(job)
        driver.submit(request.replace(name="again"))
        driver.turn()
        assert last_change(driver).forget
        assert row_of(driver, job).definition.name == "again"

    def test_a_schedule_that_cannot_be_kept_halts_the_job(self):
        class Loses:
            """It is bound to something that cannot be written."""

            kind = "loses"

            def next_after(self, after: Any, /) -> Any:
                return after + timedelta(seconds=10)

            def anchored(self, at: Any, /) -> Any:
                del at
                return CannotBind()

        driver = stored()
        submission = driver.submission(RecurringJobRequest("job", Never(), key="key"))
        submission.request = submission.request.replace(schedule=Loses())
        job = driver.engine.accept(driver.now, submission)
        driver.turn()
        assert job.state is JobState.HALTED
        assert "the store cannot keep its schedule" in job.reason

    def test_many_ended_jobs_leave_the_tables_and_stay_in_the_store(self):
        driver = stored(history_limit=2)
        for _ in range(5):
            driver.cancel(driver.add(schedule=After(10)))
            driver.turn()
        assert len(driver.state.jobs) == 2
        assert driver.store is not None
        assert len(driver.store.rows) == 5

    def test_old_ended_jobs_too(self):
        driver = stored(history_ttl=us(10))
        job = driver.add(schedule=After(10))
        driver.cancel(job)
        driver.turn()
        assert last_change(driver).release, "it was given up with its end, and is left to be read"
        assert driver.state.jobs == {job.job_id: job}
        told = len(driver.changes)
        driver.tick(11)
        assert driver.state.jobs == {}
        assert len(driver.changes) == told

    def test_settings_are_told_once(self):
        driver = stored()
        driver.pause_all(control.ALL, note="why")
        driver.ask(apply_set, [], "shop", 3).result()
        driver.turn()
        assert driver.settings == {control.PAUSED_ALL: "why", "job_set:shop": "3"}
        assert driver.engine.take_settings() == {}
        driver.resume_all(control.ALL)
        driver.pause_all("somebody")
        driver.resume_all("somebody")
        assert driver.engine.take_settings() == {control.PAUSED_ALL: None}
        driver.engine.resume(Opened(last_seq=7, settings={control.PAUSED_ALL: "", "job_set:a": "2", "other": "x"}))
        assert driver.state.pauses == {control.ALL: ""}
        assert driver.state.set_versions == {"shop": 3, "a": 2}
        assert driver.add().seq == 8


class TestReleased:
    def test_a_job_that_is_due_much_later_leaves_the_tables(self):
        driver = stored(horizon=us(10))
        near, far = driver.add(schedule=After(19)), driver.add(schedule=After(21))
        idle = driver.add(schedule=Never())
        driver.turn()
        assert driver.state.jobs == {near.job_id: near}
        released = {change.job_id: change.release for change in driver.changes}
        assert released == {near.job_id: False, far.job_id: True, idle.job_id: True}
        books = driver.books
        assert (books.planned, books.pending, books.released) == (2, 1, 1)
        assert driver.state.by_id.keys() == {driver.state.run_id(near.pending)}

    def test_it_stays_while_it_has_something_to_do(self):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=Interval(seconds=60))
        run_id = None
        driver.trigger(job)
        (attempt,) = driver.begin()
        run_id = driver.state.run_id(attempt.run)
        driver.turn()
        assert job.job_id in driver.state.jobs
        caller = driver.wait_run(run_id)
        driver.end(attempt)
        driver.turn()
        assert caller.result().outcome is Outcome.SUCCEEDED
        assert driver.state.jobs == {}

    @pytest.mark.parametrize("what", ["job", "pending"])
    def test_it_stays_while_somebody_waits_for_it(self, what: str):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=After(60))
        caller = driver.wait_job(job) if what == "job" else driver.wait_run(driver.details(job).next_run_instance)
        driver.turn()
        assert job.job_id in driver.state.jobs
        driver.end(driver.begin(60)[0])
        driver.turn()
        assert caller.result().outcome is Outcome.SUCCEEDED

    def test_a_retry_keeps_it(self):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(500))
        driver.fail(driver.begin()[0])
        driver.turn()
        assert job.job_id in driver.state.jobs

    def test_one_that_was_loaded_meanwhile_is_not_listed_twice(self):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=After(60))
        other = driver.add(schedule=After(70))
        driver.turn()
        assert driver.store is not None
        both = [driver.loaded(each) for each in driver.store.claim()]
        driver.engine.admit(driver.now, both[0])
        runs = driver.ask(queries.upcoming_runs, until=None, limit=9, others=both).result()
        assert [run.job_id for run in runs] == [job.job_id, other.job_id]

    def test_it_comes_back_as_it_was(self):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=Interval(seconds=60), jitter=30)
        due = job.pending.due_at
        driver.turn()
        driver.advance(55)
        assert driver.store is not None
        driver.admit(*driver.store.claim())
        again = there(driver, job)
        assert again is not job
        assert (again.pending.due_at, again.pending.scheduled_at) == (due, instant_us(at(60)))
        assert driver.state.longest_jitter == due - again.pending.scheduled_at
        assert driver.books.admitted == driver.books.released == 1
        driver.tick((due - driver.now.wall) / 1e6)
        assert len(driver.start_all()) == 1
        assert driver.metrics().jobs_submitted == 1

    def test_one_that_was_deleted_is_released_when_its_run_has_ended(self):
        driver = stored(horizon=us(10))
        job = driver.add(schedule=After(0))
        (attempt,) = driver.begin()
        driver.delete(job)
        driver.turn()
        driver.end(attempt)
        driver.turn()
        assert driver.state.remains == {}
        assert row_of(driver, job).image.deleted
        assert not row_of(driver, job).owned


class TestAdmitted:
    """The next process goes on where the one before ended or died."""

    @pytest.mark.parametrize("how", [Driver.crash, Driver.reopened])
    def test_only_those_with_something_to_do_are_claimed(self, how: Callable[[Driver], Driver]):
        driver = stored()
        planned = driver.add(schedule=Interval(seconds=10))
        driver.add(schedule=Never())
        driver.cancel(driver.add(schedule=After(1)))
        driver.turn()
        if how is Driver.reopened:
            driver.shut_down()
            driver.turn()
        later = how(driver)
        assert later.state.jobs.keys() == {planned.job_id}
        assert later.add().seq == 4

    def test_a_paused_job_stays_paused_and_has_what_it_held(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10))
        driver.pause(job, note="moving")
        driver.turn()
        later = driver.crash()
        assert driver.store is not None
        later.admit(*driver.store.claim([job.job_id]))
        again = there(later, job)
        assert (again.state, again.reason, again.held.due_at) == (JobState.PAUSED, "moving", instant_us(at(10)))
        assert later.tick(30).assignments == []
        later.resume(again)
        assert len(later.begin()) == 1

    def test_a_retry_of_a_paused_job_waits_on(self):
        driver = stored()
        job = driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(5))
        driver.fail(driver.begin()[0])
        driver.pause(job)
        driver.turn()
        later = driver.crash()
        again = there(later, job)
        assert later.begin(5) == []
        later.resume(again)
        (attempt,) = later.begin()
        assert (attempt.number, attempt.run.failures) == (2, 1)

    def test_a_retry_waits_for_the_rest_by_the_clock_of_the_loop(self):
        driver = stored()
        driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(60))
        driver.fail(driver.begin()[0])
        driver.tick(10)
        driver.advance(-5, step=5)
        later = driver.crash()
        assert later.tick(49).assignments == []
        (attempt,) = later.begin(1)
        assert attempt.number == 2
        later.fail(attempt, ValueError("again"))
        later.turn()
        assert later.history()[0].attempts == 2

    def test_one_whose_time_has_passed_is_due_at_once(self):
        driver = stored()
        driver.add(schedule=After(0))
        driver.end(driver.begin()[0], value=Snooze(10))
        driver.turn()
        driver.advance(100)
        (attempt,) = driver.crash().begin()
        assert attempt.run.snoozed
        assert attempt.number == 2

    def test_due_runs_keep_their_order(self):
        driver = stored(max_workers=1, dispatch_buffer=0)
        job = driver.add(overlap=Overlap.BUFFER_ALL)
        ids = [driver.trigger(job) for _ in range(4)]
        driver.turn()
        later = driver.crash()
        for run_id in ids:
            (attempt,) = later.begin()
            assert attempt.run.occurrence.run_id == run_id
            later.end(attempt)

    def test_a_run_of_a_limited_number_that_waits(self):
        driver = stored(max_workers=1, dispatch_buffer=0)
        driver.add("busy", After(0))
        job = driver.add(schedule=Interval(seconds=10), max_runs=2, overlap=Overlap.BUFFER_ALL)
        driver.begin()
        driver.tick(10)
        later = driver.crash()
        assert there(later, job).ran == 1
        later.end(later.begin()[0])
        later.begin(10)
        later.tick(10)
        assert there(later, job).ran == 2
        assert there(later, job).pending is None

    def test_history_of_the_last_runs_and_failures(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), halt_after=3)
        driver.end(driver.begin(10)[0], value=[1])
        for _ in range(2):
            driver.fail(driver.begin(10)[0])
        driver.turn()
        before = driver.details(job)
        later = driver.crash()
        again = there(later, job)
        details = later.details(again)
        assert (details.consecutive_failures, details.last_success.value) == (2, [1])
        assert details.last_run == details.last_failure
        assert details.last_failure.run_id == before.last_failure.run_id
        assert isinstance(details.last_failure.error, StoredError)
        assert details.last_failure.reason == "it raised ValueError"
        later.fail(later.begin(10)[0])
        assert again.state is JobState.HALTED

    def test_an_error_that_was_read_is_written_as_it_was(self):
        driver = stored()
        job = driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(5))
        driver.fail(driver.begin()[0])
        driver.turn()
        (row,) = run_rows(driver, job)
        later = driver.crash()
        later.cancel(there(later, job))
        later.turn()
        assert run_rows(later, job)[0].error == row.error

    def test_an_occurrence_has_the_id_that_it_had(self):
        driver = stored()
        job = driver.add(schedule=After(10))
        driver.turn()
        run_id = driver.details(job).next_run_instance
        later = driver.crash()
        caller = later.wait_run(run_id)
        later.end(later.begin(10)[0])
        later.turn()
        assert caller.result().run_id == run_id

    @pytest.mark.parametrize("policy", CatchUp)
    def test_occurrences_that_passed_meanwhile_follow_the_rule(self, policy: CatchUp):
        driver, asleep = stored(max_workers=9), Driver(max_workers=9)
        for each in (driver, asleep):
            each.add(schedule=Interval(seconds=10), catch_up=policy)
            each.turn()
            each.advance(45)
        later = driver.crash()
        for each in (later, asleep):
            for attempt in each.begin():
                each.end(attempt)
            each.turn()
        seen = [
            [(record.outcome, record.scheduled_at, record.count) for record in each.history()]
            for each in (later, asleep)
        ]
        assert seen[0] == seen[1]

    def test_a_faulty_schedule_halts_its_job_and_no_other(self):
        driver = stored()
        job, other = driver.add(schedule=Interval(seconds=10)), driver.add(schedule=Interval(seconds=10))
        driver.turn()
        later = driver.crash()
        there(later, job).schedule = FaultyFrom(timedelta(seconds=1), at(0), at(0), "raises")
        later.tick(10)
        later.start_all()
        assert there(later, job).state is JobState.HALTED
        assert there(later, other).state is JobState.ACTIVE
        assert len(later.told(JobHalted)) == 1

    @pytest.mark.parametrize("with_store", [True, False])
    def test_one_that_is_faulty_where_jitter_is_drawn(self, with_store: bool):
        driver = Driver()
        schedule = FaultyFrom(timedelta(seconds=10), at(0), at(20), "raises")
        job = driver.add(schedule=schedule, jitter=5)
        if with_store:
            driver = stored()
            added = driver.add(schedule=Interval(seconds=10), jitter=5)
            driver.turn()
            driver = driver.crash()
            job = there(driver, added)
            job.schedule = schedule
        driver.begin(15)
        assert job.state is JobState.HALTED
        assert "no idea" in job.reason

    def test_a_job_whose_function_is_not_registered_waits(self):
        driver = stored()
        job = driver.add(schedule=After(5))
        driver.turn()
        assert driver.store is not None
        driver.store.crash()
        driver.advance(10)
        later = Driver(store=driver.store)
        later.now = driver.now
        later.admit(*driver.store.claim(), resolved=False)
        assert later.turn().assignments == []
        assert later.state.jobs == {}
        assert states(last_change(later)) == [RunState.DUE]
        assert last_change(later).release
        later.admit(*driver.store.claim(), resolved=True)
        (attempt,) = later.begin()
        assert attempt.run.job.job_id == job.job_id

    @pytest.mark.parametrize("overlap", Overlap)
    def test_so_does_its_run_by_hand_whatever_its_overlap_is(self, overlap: Overlap):
        driver = stored()
        job = driver.add(overlap=overlap)
        driver.turn()
        driver.crash()
        assert driver.store is not None
        later = Driver(store=driver.store)
        for _ in range(2):
            later.admit(*driver.store.claim([job.job_id]), resolved=False)
            later.ask(control.trigger_job, job.job_id)
            later.turn()
        later.admit(*driver.store.claim([job.job_id]), resolved=False)
        caller = later.wait_job(there(later, job))
        later.turn()
        assert later.state.jobs
        later.engine.resolve({"other"})
        assert later.turn().assignments == []
        later.engine.resolve({"other", "target"})
        assert len(later.begin()) == (2 if overlap is Overlap.ALLOW_ALL else 1)
        assert not caller.answered

    def test_one_that_was_deleted_and_executed(self):
        driver = stored()
        job = driver.add(schedule=After(0), max_retries=3)
        driver.begin()
        driver.delete(job)
        driver.turn()
        later = driver.crash()
        assert later.state.jobs == {}
        later.turn()
        (row,) = run_rows(driver, job)
        assert (row.outcome, row.reason) == (Outcome.INTERRUPTED, "its process died while it executed")
        assert later.books.interrupted == 1

    def test_one_that_was_replaced_while_it_executed(self):
        driver = stored()
        request = RecurringJobRequest("job", After(0), key="key", max_retries=3)
        driver.submit(request)
        driver.begin()
        job = driver.submit(request.replace(schedule=After(50)), on_conflict=OnConflict.REPLACE)
        driver.turn()
        later = driver.crash()
        later.turn()
        assert [(row.entry, row.outcome) for row in run_rows(driver, job)] == [(1, Outcome.INTERRUPTED)]
        assert there(later, job).pending is not None

    def test_one_that_was_cancelled_and_executed(self):
        driver = stored()
        job = driver.add(schedule=After(0))
        driver.begin()
        driver.cancel(job)
        driver.turn()
        later = driver.crash()
        later.turn()
        assert later.told(RunFinished)[0].record.outcome is Outcome.INTERRUPTED


class TestDeath:
    def test_rerun_costs_no_retry(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), max_retries=1)
        driver.begin(10)
        driver.advance(3)
        later = driver.crash()
        (attempt,) = later.begin()
        assert (attempt.number, attempt.run.crashes, attempt.run.failures) == (2, 1, 0)
        assert attempt.run.occurrence.entry == 1
        later.end(attempt)
        later.turn()
        (row,) = [row for row in run_rows(driver, job) if row.state is RunState.ENDED]
        assert (row.outcome, row.attempts, row.crashes) == (Outcome.SUCCEEDED, 2, 1)

    def test_what_was_assigned_and_had_not_begun_counts_as_begun(self):
        driver = stored()
        driver.add(schedule=After(0))
        driver.turn()
        (attempt,) = driver.crash().begin()
        assert attempt.number == 2

    def test_mark(self):
        driver = stored()
        job = driver.add(schedule=Interval(seconds=10), on_crash=OnCrash.MARK)
        driver.begin(10)
        later = driver.crash()
        later.turn()
        assert later.told(RunFinished)[0].record.outcome is Outcome.INTERRUPTED
        assert there(later, job).state is JobState.ACTIVE
        assert len(later.begin(10)) == 1

    def test_fail_takes_a_retry_and_then_fails(self):
        driver = stored()
        driver.add(schedule=After(0), on_crash=OnCrash.FAIL, max_retries=1, retry=FixedRetryDelay(5), halt_after=1)
        driver.begin()
        later = driver.crash()
        assert later.tick(4).assignments == []
        (attempt,) = later.begin(1)
        assert (attempt.number, attempt.run.failures) == (2, 1)
        last = later.crash()
        last.turn()
        record = last.told(RunFinished)[0].record
        assert (record.outcome, record.reason) == (Outcome.FAILED, "its process died while it executed")
        assert record.attempts == 2

    @pytest.mark.parametrize("limit", [1, 3])
    def test_it_does_not_go_on_for_ever(self, limit: int):
        driver = stored()
        driver.add(schedule=After(0), crash_limit=limit)
        for number in range(1, limit + 1):
            (attempt,) = driver.begin()
            assert attempt.number == number
            driver = driver.crash()
        driver.turn()
        record = driver.told(RunFinished)[0].record
        times = "1 time" if limit == 1 else "3 times"
        assert (record.outcome, record.reason) == (Outcome.FAILED, f"its process died {times} while it executed")

    def test_two_at_once_of_which_the_first_halts_the_job(self):
        driver = stored(max_workers=5)
        job = driver.add(overlap=Overlap.ALLOW_ALL, crash_limit=1, halt_after=1)
        driver.trigger(job)
        driver.trigger(job)
        driver.begin()
        later = driver.crash()
        later.turn()
        assert there(later, job).state is JobState.HALTED
        assert {record.outcome for record in later.history()} == {Outcome.FAILED}

    def test_runs_that_wait_behind_it_go_on(self):
        driver = stored(max_workers=5)
        job = driver.add(overlap=Overlap.BUFFER_ALL)
        ids = [driver.trigger(job) for _ in range(3)]
        driver.begin()
        later = driver.crash()
        for run_id in ids:
            (attempt,) = later.begin()
            assert later.state.run_id(attempt.run) == run_id
            later.end(attempt)


class TestShutdown:
    def test_what_has_not_begun_is_handed_back(self):
        driver = stored(max_workers=1, dispatch_buffer=1)
        driver.add("busy", After(0))
        (busy,) = driver.begin()
        assigned = driver.add("assigned", After(0))
        driver.turn()
        ready = driver.add("ready", After(0))
        retry = driver.add("planned", Interval(seconds=5))
        callers = [driver.wait_job(each) for each in (assigned, ready, retry)]
        driver.turn()
        driver.shut_down()
        driver.turn()
        assert all(caller.answered for caller in callers)
        for caller in callers:
            with pytest.raises(SchedulerClosed, match="what was planned for later"):
                caller.result()
        assert run_rows(driver, assigned)[0].state is RunState.DUE
        assert driver.start() is None
        driver.end(busy)
        driver.turn()
        assert driver.engine.over
        assert driver.state.jobs == {}
        report = driver.report()
        assert (report.handed_back, report.unrun, len(report.finished)) == (2, 1, 1)
        assert report.never_started == report.interrupted == report.still_running == ()
        later = driver.reopened()
        assert sorted(attempt.run.job.request.name for attempt in later.begin()) == ["assigned", "ready"]
        assert [attempt.number for attempt in later.executing] == [1, 1]

    def test_a_retry_is_handed_back_and_one_that_fails_now_is_too(self):
        driver = stored()
        retries = {"max_retries": 1, "retry": FixedRetryDelay(60)}
        driver.add("waits", After(0), **retries)
        driver.fail(driver.begin()[0])
        driver.add("fails", After(0), **retries)
        driver.add("snoozes", After(0))
        fails, snoozes = driver.begin()
        driver.shut_down()
        driver.turn()
        driver.fail(fails)
        driver.end(snoozes, value=Snooze(60))
        driver.turn()
        assert driver.engine.over
        assert driver.report().handed_back == 3
        later = driver.reopened()
        assert sorted(attempt.run.job.request.name for attempt in later.begin(60)) == ["fails", "snoozes", "waits"]

    def test_what_follows_is_planned_and_what_is_over_is_finished(self):
        driver = stored()
        delay = driver.add("delay", FixedDelay(5))
        grid = driver.add("grid", Interval(seconds=5))
        once = driver.add("once", After(5))
        attempts = driver.begin(5) + driver.begin()
        driver.shut_down()
        driver.turn()
        for attempt in attempts:
            driver.end(attempt)
        driver.turn()
        wake = {job: row_of(driver, job).image for job in (delay, grid, once)}
        assert [wake[job].state for job in (delay, grid, once)] == [JobState.ACTIVE, JobState.ACTIVE, JobState.FINISHED]
        assert wake[delay].wake_at == wake[grid].wake_at == instant_us(at(10))

    @pytest.mark.parametrize(
        ("on_crash", "state"),
        [(OnCrash.RERUN, RunState.DUE), (OnCrash.MARK, RunState.ENDED), (OnCrash.FAIL, RunState.RETRY)],
    )
    def test_what_is_cut_off(self, on_crash: OnCrash, state: RunState):
        driver = stored()
        job = driver.add(schedule=After(0), on_crash=on_crash, max_retries=1, retry=FixedRetryDelay(5))
        (attempt,) = driver.begin()
        driver.shut_down(forced=True)
        driver.turn()
        driver.cut_off(attempt)
        driver.turn()
        (row,) = run_rows(driver, job)
        assert (row.state, row.attempts, row.crashes) == (state, 1, 0)
        assert row.reason == ("cut off by the shutdown" if state is RunState.ENDED else "")
        assert driver.report().handed_back == (state is not RunState.ENDED)

    def test_a_failure_when_no_retry_is_left(self):
        driver = stored()
        job = driver.add(schedule=After(0), on_crash=OnCrash.FAIL)
        (attempt,) = driver.begin()
        driver.shut_down(forced=True)
        driver.turn()
        driver.cut_off(attempt)
        driver.turn()
        (row,) = run_rows(driver, job)
        assert (row.outcome, row.reason) == (Outcome.FAILED, "cut off by the shutdown")

    def test_one_of_a_cancelled_job_is_not_run_again(self):
        driver = stored()
        job = driver.add(schedule=After(0))
        (attempt,) = driver.begin()
        driver.cancel(job)
        driver.shut_down(forced=True)
        driver.turn()
        driver.cut_off(attempt)
        driver.turn()
        assert run_rows(driver, job)[0].outcome is Outcome.INTERRUPTED

    def test_one_whose_job_was_replaced(self):
        driver = stored()
        request = RecurringJobRequest("job", After(0), key="key")
        driver.submit(request)
        (attempt,) = driver.begin()
        job = driver.submit(request.replace(schedule=After(50)), on_conflict=OnConflict.REPLACE)
        driver.shut_down(forced=True)
        driver.turn()
        driver.cut_off(attempt)
        driver.turn()
        assert [row.outcome for row in run_rows(driver, job) if row.retired] == [Outcome.INTERRUPTED]

    def test_what_comes_back_after_a_teardown_is_not_told(self):
        driver = stored()
        driver.add(schedule=After(0))
        (attempt,) = driver.begin()
        driver.shut_down(forced=True)
        driver.engine.end_all(driver.now)
        assert (driver.books.active, driver.books.released) == (0, 1)  # it is the store's
        driver.end(attempt, AttemptResult.CUT_OFF)
        assert driver.active() == []
        assert driver.books.balanced

    @pytest.mark.parametrize("wait", ["job", "run", "idle", "executed"])
    def test_who_waits_for_what_executes_waits_on(self, wait: str):
        driver = stored()
        job = driver.add(schedule=After(0))
        (attempt,) = driver.begin()
        caller = {
            "job": lambda: driver.wait_job(job),
            "run": lambda: driver.wait_run(driver.state.run_id(attempt.run)),
            "idle": driver.wait_idle,
            "executed": lambda: driver.pause_all(wait=True),
        }[wait]()
        driver.shut_down()
        driver.turn()
        assert not caller.answered
        driver.end(attempt, value=1)
        driver.turn()
        assert caller.answered
        assert isinstance(caller.result(), object)

    def test_it_waits_for_nothing_that_the_store_keeps(self):
        driver = stored()
        driver.add(schedule=Interval(seconds=5), max_retries=1)
        driver.fail(driver.begin(5)[0])
        driver.add(schedule=FixedDelay(5))
        driver.turn()
        driver.shut_down()
        assert driver.engine.next_due(driver.now) is None or driver.engine.closed
        driver.turn()
        assert driver.engine.next_due(driver.now) is None


def test_a_wait_for_a_released_job_is_answered():
    driver, caller = stored(), Caller()
    job = driver.add(schedule=After(5))
    driver.turn()
    wait = driver.wait_job(job)
    driver.engine.begin_shutdown(driver.now, forced=False)
    driver.commit()  # Without a look at what is impossible now, as after a crash of the coordinator.
    driver.act()
    with pytest.raises(SchedulerClosed, match="the store keeps the job"):
        wait.result()
    with pytest.raises(JobNotFound):
        driver.ask(control.find_job, job.job_id).result()
    assert not caller.answered
