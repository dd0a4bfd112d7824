"""The same job submitted again is one job: keys, what happens on a conflict, and job sets."""

import anyio
import pytest

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Interval,
    JobExists,
    JobSet,
    JobState,
    OnConflict,
    Outcome,
    RecurringJobRequest,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

FIRST = RecurringJobRequest("first", Interval(10), key="k")
SECOND = RecurringJobRequest("second", Interval(10), key="k", priority=2)


async def old(*args):
    del args


async def new(*args):
    del args


async def test_the_id_is_made_of_the_key_in_every_scheduler():
    ids = set()
    for _ in range(2):
        async with open_scheduler(max_workers=1) as scheduler:
            ids.add(await scheduler.add_job(FIRST, old))
    assert len(ids) == 1


@pytest.mark.parametrize("staged", [True, False], ids=["in staging", "live"])
@pytest.mark.parametrize("on_conflict", OnConflict)
async def test_a_key_that_is_taken(on_conflict, staged):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = scheduler.try_add_job(FIRST, old, 1)
        before = None
        if not staged:
            await anyio.sleep(15)
            before = await scheduler.get_job_details(job_id)
        if on_conflict is OnConflict.RAISE:
            with pytest.raises(JobExists) as caught:
                scheduler.try_add_job(SECOND, new, on_conflict=on_conflict)
            assert caught.value.job_id == job_id
            with pytest.raises(JobExists):
                await scheduler.add_job(SECOND, new, on_conflict=on_conflict)
        else:
            assert scheduler.try_add_job(SECOND, new, 2, on_conflict=on_conflict) == job_id
            assert await scheduler.add_job(SECOND, new, 2, on_conflict=on_conflict) == job_id
        details = await scheduler.get_job_details(job_id)
        assert len(await scheduler.list_all_jobs()) == 1
        stays = on_conflict in {OnConflict.KEEP, OnConflict.RAISE}
        assert (details.name, details.priority) == (("first", 0) if stays else ("second", 2))
        assert details.target.endswith("old" if stays else "new")
        assert details.version == (2 if on_conflict is OnConflict.UPDATE else 1)
        if before is not None:
            kept = on_conflict is not OnConflict.REPLACE
            assert (details.next_run_instance == before.next_run_instance) is kept
            assert (details.last_success is not None) is kept
            assert (details.next_run_time - before.next_run_time).total_seconds() == (0 if kept else 5)
        books = scheduler.get_metrics_snapshot().books
        assert books.balanced
        assert books.cancelled == (2 if on_conflict is OnConflict.REPLACE else 0)


STAYS, ANEW, FRESH = "it stays as it is", "it begins anew, with its history", "a fresh one takes its place"


@pytest.mark.parametrize(
    ("ended", "on_conflict", "becomes"),
    [
        ("cancelled", OnConflict.UPDATE, STAYS),
        ("cancelled", OnConflict.KEEP, STAYS),
        ("cancelled", OnConflict.REPLACE, FRESH),
        ("cancelled", OnConflict.RAISE, ANEW),
        ("finished", OnConflict.UPDATE, ANEW),
        ("finished", OnConflict.KEEP, STAYS),
        ("finished", OnConflict.REPLACE, FRESH),
        ("finished", OnConflict.RAISE, ANEW),
    ],
)
async def test_the_key_of_a_job_that_ended(ended, on_conflict, becomes):
    async with open_scheduler(max_workers=1) as scheduler:
        first = FIRST.replace(max_runs=1) if ended == "finished" else FIRST
        job_id = await scheduler.add_job(first, old)
        await anyio.sleep(11)
        await scheduler.cancel_job(job_id)
        assert (await scheduler.get_job_details(job_id)).state == ended
        assert await scheduler.add_job(SECOND, new, on_conflict=on_conflict) == job_id
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.name) == ((ended, "first") if becomes is STAYS else (JobState.ACTIVE, "second"))
        assert (details.last_success is not None) is (becomes is not FRESH)


async def test_a_paused_job_stays_paused_when_it_is_submitted_again():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(FIRST, old)
        await scheduler.pause_job(job_id)
        await scheduler.add_job(SECOND, new)
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED


async def test_without_a_key_twice_is_two():
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(10))
        assert await scheduler.add_job(request, old) != await scheduler.add_job(request, old)


async def test_a_set_is_a_value_like_a_router():
    jobs = JobSet()

    @jobs.job("nightly", Interval(5), 2, timeout=3)
    async def nightly():
        return "nightly"

    @jobs.job("by hand")
    async def by_hand():
        return "by hand"

    jobs.add(RecurringJobRequest("other", key="nightly!"), print, 1, kwargs={"sep": 2})
    assert await nightly() == "nightly"
    assert len(jobs) == 3
    assert [entry.request.key for entry in jobs] == ["nightly", "by hand", "nightly!"]
    first, _, last = jobs
    assert (first.request.max_retries, first.request.timeout, first.fn) == (2, 3, nightly)
    assert (last.args, last.kwargs, last.request.name) == ((1,), {"sep": 2}, "other")
    for wrong in (lambda: jobs.job("nightly")(old), lambda: jobs.add(RecurringJobRequest("x", key="by hand"), old)):
        with pytest.raises(ConfigurationError):
            wrong()
    with pytest.raises(ConfigurationError):
        jobs.job("x", no_such=1)
    assert len(jobs) == 3


def made_of(**jobs):
    made = JobSet()
    for name, (schedule, fn, *args) in jobs.items():
        made.add(RecurringJobRequest(name, schedule), fn, *args)
    return made


async def names(scheduler, ids):
    return [(await scheduler.get_job_details(job_id)).name for job_id in ids]


async def test_apply_makes_the_jobs_be_what_the_set_says():
    async with open_scheduler(max_workers=1) as scheduler:
        alone = await scheduler.add_job(RecurringJobRequest("alone", Interval(10)), old)
        first = await scheduler.apply(made_of(a=(Interval(10), old), b=(Interval(10), old), c=(Interval(10), old)))
        assert await names(scheduler, first.added) == ["a", "b", "c"]
        await anyio.sleep(15)
        planned = (await scheduler.get_job_details(first.added[1])).next_run_instance
        changes = await scheduler.apply(made_of(d=(Interval(3), old), c=(Interval(4), old), b=(Interval(10), new, 1)))
        assert await names(scheduler, changes.added) == ["d"]
        assert changes.updated == (first.added[2], first.added[1])
        assert changes.unchanged == ()
        assert changes.removed == (first.added[0],)
        assert first.added[0] not in {job.job_id for job in await scheduler.list_all_jobs()}
        assert (await scheduler.get_job_details(first.added[1])).next_run_instance == planned
        assert (await scheduler.get_job_details(alone)).state is JobState.ACTIVE
        again = await scheduler.apply(made_of(d=(Interval(3), old), c=(Interval(4), old), b=(Interval(10), new, 1)))
        assert (again.added, again.updated, again.removed) == ((), (), ())
        assert len(again.unchanged) == 3
        nothing = await scheduler.apply(JobSet())
        assert set(nothing.removed) == set(again.unchanged)
        assert (await scheduler.get_job_details(alone)).state is JobState.ACTIVE
        assert nothing.to_json()["added"] == []


async def test_a_run_of_a_job_that_is_removed_comes_to_its_end():
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.apply(made_of(a=(After(0), anyio.sleep, 10)))
        await anyio.sleep(1)
        (run,) = await scheduler.list_active_runs()
        await scheduler.apply(JobSet())
        record = await scheduler.wait_run(run.run_id)
        assert record.outcome is Outcome.SUCCEEDED
        assert anyio.current_time() == 10


async def test_a_job_of_the_set_that_somebody_deleted_is_added_again():
    async with open_scheduler(max_workers=1) as scheduler:
        jobs = made_of(a=(Interval(10), old))
        (job_id,) = (await scheduler.apply(jobs)).added
        await scheduler.delete_job(job_id)
        assert (await scheduler.apply(jobs)).added == (job_id,)
        await scheduler.delete_job(job_id)
        assert await scheduler.apply(JobSet()) == (await scheduler.apply(JobSet()))


async def test_what_is_wrong_with_a_set_changes_nothing():
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.apply(made_of(a=(Interval(10), old)))
        with pytest.raises(ConfigurationError):
            await scheduler.apply(made_of(b=(Interval(10), "not registered")))
        with pytest.raises(TypeError):
            await scheduler.apply(made_of(b=(Interval(10), 5)))
        with pytest.raises(ConfigurationError):
            await scheduler.apply([FIRST])
        assert [job.name for job in await scheduler.list_all_jobs(states=[JobState.ACTIVE])] == ["a"]
