"""Changing jobs: updates, keys that are taken, job sets."""

import pytest
from engine_driver import Caller, Driver, at, stored
from user_schedules import CannotBind

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobEnded,
    JobExists,
    JobState,
    OnConflict,
    Outcome,
    Overlap,
    RecurringJobRequest,
    SchedulerClosed,
    VersionConflict,
)
from turnkeeper_trio._engine import updates
from turnkeeper_trio._engine.submission import apply_set
from turnkeeper_trio.events import JobAdded, JobCancelled, JobUpdated


def test_a_new_schedule_begins_a_new_grid():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.advance(3)
    run_id = driver.details(job).next_run_instance
    assert driver.update(job, schedule=Interval(seconds=60)) == job.version == 2
    assert driver.details(job).next_run_time == at(63)
    record = driver.wait_run(run_id).result()
    assert (record.outcome, record.reason) == (Outcome.SUPERSEDED, "its job was updated")
    driver.turn()
    (event,) = driver.told(JobUpdated)
    assert (event.version, event.next_run_time) == (2, at(63))


def test_anything_else_keeps_the_grid():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.advance(3)
    run_id = driver.details(job).next_run_instance
    driver.update(job, name="other", priority=3, max_retries=2, retry=FixedRetryDelay(1), tags=("new",))
    details = driver.details(job)
    assert (details.next_run_instance, details.next_run_time) == (run_id, at(10))
    assert (details.name, details.priority, details.max_retries, details.tags) == ("other", 3, 2, ("new",))


def test_nothing_new_is_no_change():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    assert (
        driver.update(job, schedule=Interval(seconds=10), call=updates.Call(target="target", args=(), kwargs={})) == 1
    )
    driver.turn()
    assert driver.told(JobUpdated) == []


def test_another_call_is_a_change():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    for version, call in enumerate(
        [updates.Call(target="other"), updates.Call(args=(1,)), updates.Call(kwargs={"word": 2})], start=2
    ):
        assert driver.update(job, call=call) == version
    assert (job.target, job.args, job.kwargs) == ("other", (1,), {"word": 2})
    assert driver.update(job, call=updates.Call(target="other", args=(1,), kwargs={"word": 2})) == 4


def test_a_version_that_is_not_the_present_one_is_a_conflict():
    driver = Driver()
    job = driver.add()
    driver.update(job, if_version=1, priority=1)
    with pytest.raises(VersionConflict, match="'job' is at version 2, not 1: somebody else changed it") as caught:
        driver.update(job, if_version=1, priority=2)
    assert caught.value.job_id == job.job_id
    assert job.request.priority == 1


def test_runs_that_wait_are_ordered_anew():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add("blocker", After(0))
    (blocker,) = driver.begin()
    driver.add("first", After(0))
    second = driver.add("second", After(0))
    driver.tick()
    driver.update(second, priority=1)
    driver.end(blocker)
    assert driver.begin()[0].run.job is second


def test_what_is_changed_holds_for_a_run_that_executes_and_for_one_that_waits_for_its_retry():
    driver = Driver()
    job = driver.add(schedule=After(0))
    (attempt,) = driver.begin()
    driver.update(job, max_retries=1, retry=FixedRetryDelay(5))
    driver.fail(attempt)
    driver.update(job, max_retries=2, retry=FixedRetryDelay(7))
    driver.fail(driver.begin(5)[0])
    assert driver.tick(6).assignments == []
    assert len(driver.tick(1).assignments) == 1


def test_a_wider_rule_for_overlap_lets_those_that_wait_go():
    driver = Driver(max_workers=10)
    job = driver.add(overlap=Overlap.BUFFER_ALL)
    for _ in range(3):
        driver.trigger(job)
    assert len(driver.begin()) == 1
    driver.update(job, overlap=Overlap.ALLOW_ALL)
    assert len(driver.begin()) == 2


@pytest.mark.parametrize(("until", "following"), [(at(15), None), (at(20), at(20)), (at(25), at(20))])
def test_narrower_bounds_withdraw_the_pending_occurrence(until, following):
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.end(driver.begin(10)[0])
    driver.update(job, until=until)
    assert driver.details(job).next_run_time == following
    assert (job.state is JobState.FINISHED) == (following is None)
    assert driver.books.superseded == (following is None)


def test_wider_bounds_allow_a_further_occurrence():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), max_runs=1)
    (attempt,) = driver.begin(10)
    assert driver.details(job).next_run_time is None
    driver.update(job, max_runs=2)
    assert driver.details(job).next_run_time == at(20)
    driver.end(attempt)
    driver.end(driver.begin(10)[0])
    assert job.state is JobState.FINISHED
    fixed = driver.add(schedule=FixedDelay(10), max_runs=1)
    (attempt,) = driver.begin(10)
    driver.update(fixed, max_runs=2)
    assert driver.details(fixed).next_run_time is None
    driver.end(attempt)
    assert driver.details(fixed).next_run_time == at(driver.seconds + 10)


def test_a_halted_job_is_mended_by_another_schedule():
    driver = Driver()
    job = driver.add(schedule=CannotBind())
    driver.update(job, priority=1)
    assert job.state is JobState.HALTED
    driver.update(job, schedule=Interval(seconds=10))
    assert (job.state, driver.details(job).state_reason) == (JobState.ACTIVE, "")
    assert driver.details(job).next_run_time == at(10)
    driver.update(job, schedule=CannotBind())
    assert job.state is JobState.HALTED
    assert driver.books.pending == 0


def test_a_paused_job_stays_paused_and_is_resumed_with_its_new_schedule():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.pause(job)
    driver.update(job, schedule=Interval(seconds=60))
    assert job.state is JobState.PAUSED
    assert driver.tick(50).assignments == []
    driver.resume(job)
    assert driver.details(job).next_run_time == at(60)
    driver.pause(job)
    driver.update(job, priority=1)
    assert driver.details(job).next_run_time is None


def test_what_has_ended_is_not_changed():
    driver = Driver()
    job = driver.add(schedule=After(10))
    driver.cancel(job)
    with pytest.raises(JobEnded):
        driver.update(job, priority=1)
    job = driver.add()
    driver.shut_down()
    with pytest.raises(SchedulerClosed):
        driver.update(job, priority=1)


def keyed(schedule=None, **options):
    return RecurringJobRequest("job", Interval(seconds=10) if schedule is None else schedule, key="key", **options)


@pytest.mark.parametrize("on_conflict", OnConflict)
@pytest.mark.parametrize("asks", [False, True])
def test_a_key_that_is_taken(on_conflict, asks):
    driver = stored() if asks else Driver()
    first = driver.submit(keyed(), 1)
    driver.turn()
    driver.advance(3)
    caller = Caller()
    second = driver.submit(keyed(priority=5), 2, word=3, on_conflict=on_conflict, token=caller if asks else None)
    driver.turn()
    assert (second is first) == (on_conflict is not OnConflict.REPLACE)
    assert second.job_id == first.job_id
    if asks and on_conflict is OnConflict.RAISE:
        with pytest.raises(JobExists) as taken:
            caller.result()
        assert taken.value.job_id == first.job_id
    elif asks:
        assert caller.result() == first.job_id
    expected = {
        OnConflict.UPDATE: (5, (2,), {"word": 3}, at(10), 2),
        OnConflict.KEEP: (0, (1,), None, at(10), 1),
        OnConflict.RAISE: (0, (1,), None, at(10), 1),
        OnConflict.REPLACE: (5, (2,), {"word": 3}, at(13), 1),
    }[on_conflict]
    assert (
        second.request.priority, second.args, second.kwargs, driver.details(second).next_run_time, second.version,
    ) == expected  # fmt: skip
    assert driver.metrics().jobs_submitted == (2 if on_conflict is OnConflict.REPLACE else 1)
    assert len(driver.told(JobAdded)) == driver.metrics().jobs_submitted


@pytest.mark.parametrize("on_conflict", OnConflict)
@pytest.mark.parametrize("ended", ["finished", "cancelled", "cancelled, and its run goes on"])
def test_the_key_of_an_ended_job(on_conflict, ended):
    driver = Driver()
    first = driver.submit(keyed(After(0)))
    (attempt,) = driver.begin()
    if ended != "finished":
        driver.cancel(first)
    if ended != "cancelled, and its run goes on":
        driver.end(attempt, value=1)
    second = driver.submit(keyed(), on_conflict=on_conflict)
    stays = on_conflict is OnConflict.KEEP or (on_conflict is OnConflict.UPDATE and ended != "finished")
    assert (second is first) == stays
    assert driver.state.jobs == {first.job_id: second}
    assert (driver.details(second).next_run_time == at(10)) != stays
    if attempt in driver.executing:
        driver.end(attempt, value=1)
    # The earlier job is forgotten; its run that still executes counts for the job that has its id now.
    forgotten = on_conflict is OnConflict.REPLACE and ended != "cancelled, and its run goes on"
    assert (1 in [record.value for record in driver.history(second)]) != forgotten


def apply(driver, **requests):
    made = [driver.submission(RecurringJobRequest(key, schedule, key=key)) for key, schedule in requests.items()]
    before = {job_id: job.request.key for job_id, job in driver.state.jobs.items()}
    found = driver.ask(apply_set, made).result()
    ids = {submission.job_id: submission.request.key for submission in made}
    names = {**before, **ids}
    return {
        kind: [names[job_id] for job_id in getattr(found, kind)]
        for kind in ("added", "updated", "unchanged", "removed")
    }


def test_a_job_set_makes_it_so():
    driver = Driver()
    other = driver.add("not of the set", Interval(seconds=1))
    ten, twenty = Interval(seconds=10), Interval(seconds=20)
    assert apply(driver, a=ten, b=ten) == {"added": ["a", "b"], "updated": [], "unchanged": [], "removed": []}
    assert apply(driver, a=ten, b=twenty, c=ten) == {
        "added": ["c"], "updated": ["b"], "unchanged": ["a"], "removed": [],
    }  # fmt: skip
    assert apply(driver, c=ten) == {"added": [], "updated": [], "unchanged": ["c"], "removed": ["a", "b"]}
    assert apply(driver, a=ten, c=ten) == {"added": ["a"], "updated": [], "unchanged": ["c"], "removed": []}
    assert other.state is JobState.ACTIVE
    assert [job.request.key for job in driver.state.jobs.values()] == [None, "c", "a"]
    driver.turn()
    assert {event.reason for event in driver.told(JobCancelled)} == {"it is not in the job set any more"}


def test_a_job_that_has_ended_is_added_again_only_with_another_schedule():
    driver = Driver()
    apply(driver, a=After(0), b=Interval(seconds=1))
    driver.end(driver.begin()[0])
    (b,) = (job for job in driver.state.jobs.values() if job.request.key == "b")
    driver.cancel(b)
    unchanged = {"added": [], "updated": [], "unchanged": ["a", "b"], "removed": []}
    assert apply(driver, a=After(0), b=Interval(seconds=1)) == unchanged
    assert apply(driver, a=After(5), b=Interval(seconds=2)) == {**unchanged, "added": ["a"], "unchanged": ["b"]}


class Incomparable:
    def __eq__(self, other):
        raise ValueError("the truth of an array is ambiguous")

    __hash__ = None


def test_what_cannot_be_compared_is_another():
    driver = Driver()
    job = driver.add()
    job.args = (Incomparable(),)
    assert driver.update(job, call=updates.Call(args=(Incomparable(),))) == 2
    assert driver.update(job, call=updates.Call(target="target")) == 2


def test_what_has_ended_meanwhile_is_not_removed():
    driver = Driver()
    apply(driver, a=After(0), b=After(1000))
    driver.end(driver.begin()[0])
    (deleted,) = (job for job in driver.state.jobs.values() if job.request.key == "b")
    driver.delete(deleted)
    assert apply(driver) == {"added": [], "updated": [], "unchanged": [], "removed": []}


def test_a_shutdown_takes_no_job_set():
    driver = Driver()
    driver.shut_down()
    with pytest.raises(SchedulerClosed):
        apply(driver, a=After(0))


def test_a_value_that_raises_when_it_is_looked_at_is_refused():
    def raises():
        raise LookupError("not today")
        yield

    driver = Driver()
    job = driver.add()
    with pytest.raises(ConfigurationError, match="a value cannot be used: LookupError: not today"):
        driver.update(job, tags=raises())
    with pytest.raises(ConfigurationError, match="max_retries must be an integer"):
        driver.update(job, max_retries=-1)
    assert job.version == 1
