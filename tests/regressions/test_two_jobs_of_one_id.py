"""A job whose key was taken again ran beside itself, and no operation on its id knew of the other run.

Cause: an executing run of the earlier job was only in that job's own table, which nothing could reach any more. So
``Overlap.SKIP`` let a second run begin beside it, ``cancel_running`` returned while it executed, and the lists of the
active and of the ended runs of the id left it out. Now the job that has the id counts the run as its own, whichever way
it got the id, and what is left of a forgotten job is found again.
"""

from typing import Any

import anyio
import pytest
from engine_driver import Driver, Scope, stored

from turnkeeper_trio import (
    After,
    CancelJob,
    FixedDelay,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobState,
    Never,
    OnConflict,
    Outcome,
    Overlap,
    RecurringJobRequest,
    open_scheduler,
)
from turnkeeper_trio._engine.rows import Job
from turnkeeper_trio.events import JobCancelled, JobHalted

WAYS = ["replace", "cancel and add", "delete and add", "deleted twice"]
each_way = pytest.mark.parametrize("way", WAYS)


def keyed(schedule: Any = None, **options: Any) -> RecurringJobRequest:
    return RecurringJobRequest("job", After(0) if schedule is None else schedule, key="key", **options)


def taken_again(way: str, request: RecurringJobRequest, **options: Any) -> tuple[Driver, Any, Job]:
    """Return an engine, the attempt of an earlier job, and the job that has its key now."""
    driver = Driver(max_workers=3, **options)
    first = driver.submit(keyed(Never(), max_retries=3, retry=FixedRetryDelay(1)))
    driver.trigger(first)
    (attempt,) = driver.begin()
    if way == "cancel and add":
        driver.cancel(first)
    elif way != "replace":
        driver.delete(first)
    if way == "deleted twice":
        driver.delete(driver.submit(keyed()))
    on_conflict = {"replace": OnConflict.REPLACE, "cancel and add": OnConflict.RAISE}.get(way, OnConflict.UPDATE)
    second = driver.submit(request, on_conflict=on_conflict)
    assert second is not first
    assert second.job_id == first.job_id
    return driver, attempt, second


@each_way
@pytest.mark.parametrize(
    ("overlap", "began", "waiting"),
    [
        (Overlap.SKIP, 0, 0),
        (Overlap.BUFFER_ONE, 0, 1),
        (Overlap.BUFFER_ALL, 0, 1),
        (Overlap.CANCEL_OTHER, 0, 1),
        (Overlap.ALLOW_ALL, 1, 0),
    ],
)
def test_it_counts_for_overlap(way: str, overlap: Overlap, began: int, waiting: int) -> None:
    driver, attempt, second = taken_again(way, keyed(overlap=overlap))
    assert len(driver.begin()) == began
    assert driver.details(second).waiting_runs == waiting
    assert attempt.scope.cancel_called == (overlap is Overlap.CANCEL_OTHER)
    if overlap is Overlap.CANCEL_OTHER:
        driver.cut_off(attempt)
    else:
        driver.end(attempt)
    driver.tick()
    assert len(driver.start_all()) == waiting


@each_way
def test_at_most_max_concurrent_with_it(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed(overlap=Overlap.ALLOW_ALL, max_concurrent=2))
    driver.trigger(second)
    assert len(driver.begin()) == 1
    driver.end(attempt)
    driver.tick()
    assert len(driver.start_all()) == 1


@each_way
def test_the_lists_of_the_id_show_it(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed(Interval(seconds=10)))
    (shown,) = driver.active(second)
    assert shown == driver.active()[0] == driver.details(second).active_runs[0]
    assert shown.run_id == driver.state.run_id(attempt.run)
    driver.end(attempt, value="done")
    assert driver.active(second) == []
    assert driver.history(second)[0].value == "done"
    assert driver.details(second).last_run.run_id == shown.run_id


@each_way
def test_cancelling_with_what_executes_ends_it_and_waits_for_it(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed(overlap=Overlap.ALLOW_ALL))
    (another,) = driver.begin()
    caller = driver.cancel(second, cancel_running=True)
    driver.turn()
    driver.cut_off(another)
    assert not caller.answered
    driver.cut_off(attempt)
    driver.turn()
    assert [record.outcome for record in caller.result()] == [Outcome.CANCELLED] * 2


@each_way
def test_who_waits_for_the_job_waits_for_it(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed())
    caller = driver.wait_job(second)
    driver.tick()
    assert not caller.answered
    assert driver.details(second).state is JobState.ACTIVE
    driver.end(attempt, value="done")
    driver.turn()
    assert caller.result().value == "done"
    assert driver.details(second).state is JobState.FINISHED


def test_who_waited_for_the_job_before_waits_for_its_own_runs_only() -> None:
    driver = Driver()
    first = driver.submit(keyed())
    (attempt,) = driver.begin()
    caller = driver.wait_job(first)
    second = driver.submit(keyed(Interval(seconds=10)), on_conflict=OnConflict.REPLACE)
    driver.turn()
    assert not caller.answered
    driver.end(attempt, value="done")
    driver.turn()
    assert caller.result().value == "done"
    assert second.state is JobState.ACTIVE


def test_who_waited_for_a_job_between_two_that_had_no_run_of_its_own_is_answered() -> None:
    driver, attempt, second = taken_again("replace", keyed(Never()))
    caller = driver.wait_job(second)
    third = driver.submit(keyed(Never()), on_conflict=OnConflict.REPLACE)
    driver.turn()
    assert caller.answered
    assert driver.active(third)[0].run_id == driver.state.run_id(attempt.run)
    driver.end(attempt)


@each_way
def test_a_fixed_delay_counts_from_its_end(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed(FixedDelay(5)))
    assert driver.begin(20) == []
    assert second.state is JobState.ACTIVE
    driver.end(attempt)
    assert driver.begin(4) == []
    assert len(driver.begin(1)) == 1


def test_a_fixed_delay_that_may_not_come_any_more_is_finished_with_it() -> None:
    driver = Driver()
    driver.submit(keyed())
    (attempt,) = driver.begin()
    until = driver.details(driver.submit(keyed(), on_conflict=OnConflict.KEEP)).active_runs[0].scheduled_at
    second = driver.submit(keyed(FixedDelay(5), until=until), on_conflict=OnConflict.REPLACE)
    driver.turn()
    assert driver.details(second).state is JobState.ACTIVE
    driver.end(attempt)
    assert driver.details(second).state is JobState.FINISHED


@each_way
def test_it_goes_on_by_its_own_rules_and_does_not_judge_the_new_job(way: str) -> None:
    driver, attempt, second = taken_again(way, keyed(Interval(seconds=10), halt_after=1, max_retries=9))
    driver.fail(attempt)  # Its own job is cancelled: it is not tried again.
    assert driver.active() == []
    assert driver.history(second)[0].reason.endswith("not tried again, for its job was cancelled")
    assert second.state is JobState.ACTIVE
    assert driver.told(JobHalted) == []
    driver, attempt, second = taken_again(way, keyed(Interval(seconds=10)))
    driver.turn()
    before = len(driver.told(JobCancelled))
    driver.end(attempt, value=CancelJob("done"))
    driver.turn()
    assert second.state is JobState.ACTIVE
    assert len(driver.told(JobCancelled)) == before
    assert driver.history(second)[0].reason == "it ended its job: done"


@each_way
def test_a_shutdown_ends_it_as_any_other(way: str) -> None:
    driver, attempt, _ = taken_again(way, keyed(overlap=Overlap.BUFFER_ALL))
    driver.tick()
    driver.shut_down(forced=True)
    driver.turn()
    driver.cut_off(attempt)
    driver.turn()
    assert driver.engine.closed
    assert driver.books.interrupted == driver.books.never_started == 1


def test_what_ended_after_its_job_was_deleted_is_in_the_history_of_the_id() -> None:
    driver = Driver(history_per_job=1)
    first = driver.submit(keyed())
    (attempt,) = driver.begin()
    driver.delete(first)
    driver.end(attempt, value="last")
    assert driver.state.remains == {first.job_id: first}
    second = driver.submit(keyed())
    assert driver.state.remains == {}
    assert [record.value for record in driver.history(second)] == ["last"]
    driver.end(driver.begin()[0], value="new")
    assert [record.value for record in driver.history(second)] == ["new"]


@pytest.mark.parametrize("options", [{"history_limit": 0}, {"history_per_job": 0}, {"history_ttl": 0}, {}])
def test_nothing_is_left_for_ever(options: dict[str, int]) -> None:
    driver = Driver(**options)
    for number in range(3):
        job = driver.add(schedule=After(0), key=f"key {number}")
        (attempt,) = driver.begin(1)
        driver.delete(job)
        assert driver.state.remains[job.job_id] is job
        driver.end(attempt)
    driver.advance(10)
    driver.history()
    assert len(driver.state.remains) == len(driver.state.history.runs) == (0 if options else 3)


def test_a_job_that_had_to_make_room_leaves_its_records_to_the_next_of_its_id() -> None:
    driver = Driver(history_limit=1)
    first = driver.submit(keyed())
    driver.end(driver.begin()[0], value="kept")
    driver.cancel(driver.add("other"))
    assert first.job_id not in driver.state.jobs
    second = driver.submit(keyed(Never()))
    assert [record.value for record in driver.history(second)] == ["kept"]


def test_a_job_that_a_store_refused_takes_along_what_executes() -> None:
    """One id is one job for a store, too: if it is a different scheduler's now, so is the run of the earlier job."""
    driver = stored()
    first = driver.submit(keyed())
    (attempt,) = driver.begin()
    driver.delete(first)
    driver.turn()
    driver.submit(keyed(overlap=Overlap.BUFFER_ALL))
    driver.turn(lambda change: "no")
    assert [run.run_id for run in driver.active()] == [driver.state.run_id(attempt.run)]
    assert attempt.scope.cancel_called
    third = driver.submit(keyed(overlap=Overlap.BUFFER_ALL))
    assert driver.begin() == []
    driver.cut_off(attempt)
    assert [record.outcome for record in driver.history(third)] == [Outcome.LOST]
    assert len(driver.begin()) == 1


def test_a_verdict_by_which_a_cancelled_job_ends_itself_is_told_once() -> None:
    driver = Driver()
    job = driver.add(overlap=Overlap.ALLOW_ALL)
    driver.trigger(job)
    driver.trigger(job)
    first, second = driver.begin()
    driver.end(first, value=CancelJob("one"))
    driver.end(second, value=CancelJob("two"))
    driver.turn()
    assert [event.reason for event in driver.told(JobCancelled)] == ["it ended its job: one"]
    assert driver.metrics().jobs_lineage_cancelled == 1
    assert driver.details(job).state_reason == "it ended its job: one"


def test_a_scope_is_cancelled_once_though_two_jobs_know_the_run() -> None:
    driver, attempt, second = taken_again("replace", keyed(Interval(seconds=10)))
    assert isinstance(attempt.scope, Scope)
    driver.cancel_run(driver.state.run_id(attempt.run))
    driver.cancel(second, cancel_running=True)
    driver.turn()
    driver.end(attempt, value=GiveUp("enough"))
    assert driver.books.failed == 1


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["replace", "cancel and add", "delete and add"])
async def test_there_is_never_more_than_one_run_of_a_key(way: str) -> None:
    running: list[int] = []
    most = 0

    async def work() -> None:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        try:
            await anyio.sleep(50)
        finally:
            running.pop()

    async with open_scheduler(max_workers=4) as scheduler:
        on_conflict = {"replace": OnConflict.REPLACE, "cancel and add": OnConflict.RAISE}.get(way, OnConflict.UPDATE)
        for number in range(4):
            job_id = await scheduler.add_job(keyed(overlap=Overlap.BUFFER_ALL), work, on_conflict=on_conflict)
            await anyio.sleep(5)
            if way == "cancel and add" and number < 3:
                await scheduler.cancel_job(job_id)
            if way == "delete and add" and number < 3:
                await scheduler.delete_job(job_id)
        assert len(running) == most == 1
        assert len(await scheduler.list_active_runs(job_id)) == 2
        await scheduler.cancel_job(job_id, cancel_running=True)
        assert running == []
