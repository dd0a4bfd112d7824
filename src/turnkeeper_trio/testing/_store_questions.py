"""Tests of what a store answers, and of the jobs that it gives to a scheduler."""

from typing import Any

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.stored import JobQuery, RunQuery, RunState, StoredRun
from turnkeeper_trio.errors import StoreInUse
from turnkeeper_trio.testing._store_samples import (
    NOW,
    SECOND,
    StoreDriver,
    StoreTests,
    ended,
    entries_of,
    job_id,
    job_image,
    occurrence,
    run_id,
    run_image,
    seqs_of,
)


class StoreQuestions(StoreTests):
    """How a store is opened, asked, and its jobs are claimed."""

    async def test_an_empty_store_has_nothing(self) -> None:
        """There is no job, no run, no setting and no number."""
        driver = await self._opened()
        store = driver.store
        assert (driver.opened.last_seq, dict(driver.opened.settings)) == (0, {})
        assert store.horizon >= 0
        assert list(await store.read_jobs(JobQuery())) == []
        assert list(await store.read_runs(RunQuery())) == []
        assert list(await store.read_upcoming(limit=10)) == []
        claimed = await driver.claim(until=NOW, job_ids=(job_id(1),), run_ids=(run_id(1, 1),), job_sets=("set",))
        assert (list(claimed.jobs), claimed.next_at, dict(claimed.runs)) == ([], None, {})
        counts = await store.count()
        assert [sum(each.values()) for each in (counts.jobs, counts.runs, counts.outcomes)] == [0, 0, 0]
        await store.close(clean=True)

    async def test_a_deleted_job_is_not_listed_but_may_be_claimed_by_name(self) -> None:
        """The row of a job that was deleted stays for a run that executes, and for the number of its last entry."""
        driver = await self._opened()
        started = run_image(1, 3, state=RunState.STARTED)
        await driver.apply(driver.new(1, deleted=True, entries=3, job_set="set", runs=(started,)), driver.new(2))
        assert seqs_of(await driver.store.read_jobs(JobQuery())) == [2]
        assert (await driver.store.count()).jobs[JobState.ACTIVE] == 1
        assert seqs_of((await driver.claim(job_sets=("set",))).jobs) == []
        (job,) = (await driver.claim(job_ids=(job_id(1),))).jobs
        assert (job.image.deleted, job.image.entries, job.runs) == (True, 3, (started,))
        await driver.apply(driver.change(1, None))
        assert list((await driver.claim(job_ids=(job_id(1),), run_ids=(run_id(1, 3),))).runs) == []
        await driver.store.close(clean=True)

    async def test_what_ended_is_read_in_the_order_of_its_numbers(self) -> None:
        """Batches one after the other, and in a batch the numbers of the records; a new number is a new place."""
        driver = await self._opened()
        await driver.apply(
            driver.new(1, release=False, runs=(ended(1, 1, number=5), ended(1, 2, number=1))),
            driver.new(2, release=False, runs=(ended(2, 1, number=3),)),
        )
        await driver.apply(driver.change(2, job_image(), runs=(ended(2, 2, number=2),)))
        order = [("job 2", 2), ("job 1", 1), ("job 2", 1), ("job 1", 2)]
        assert entries_of(await driver.store.read_runs(RunQuery())) == order
        await self._reopened(driver)
        await driver.claim(job_ids=(job_id(1), job_id(2)))
        await driver.apply(
            driver.change(1, job_image(), runs=(ended(1, 1, number=5, reason="the same record"),)),
            driver.change(2, job_image(), runs=(ended(2, 1, number=1),)),
        )
        again = [("job 2", 1), ("job 2", 2), ("job 1", 1), ("job 1", 2)]
        runs = await driver.store.read_runs(RunQuery())
        assert entries_of(runs) == again
        assert [run.ended for run in runs] == sorted({run.ended for run in runs}, reverse=True)
        await driver.store.close(clean=True)

    async def test_jobs_that_are_due_are_claimed_the_earliest_first(self) -> None:
        """At most ``limit``, only wanted targets, none that somebody owns, and when the next one is due."""
        driver = await self._opened()
        await driver.apply(
            driver.new(1, wake_at=NOW + 3), driver.new(2, wake_at=NOW + 1, target="other"),
            driver.new(3, wake_at=NOW + 2, target="more"), driver.new(4), driver.new(5, wake_at=NOW, release=False),
            driver.new(6, wake_at=NOW + 1, state=JobState.PAUSED), driver.new(7, wake_at=NOW + 9),
            driver.new(8, wake_at=NOW + 4),
        )  # fmt: skip
        targets = frozenset({"work", "more", "nothing"})
        assert seqs_of(await driver.store.read_upcoming(limit=4)) in ([6, 2, 3, 1], [2, 6, 3, 1])
        assert await driver.due(NOW, targets=targets) == []
        claimed = await driver.claim(until=NOW + 4, targets=targets, limit=2)
        assert (seqs_of(claimed.jobs), claimed.next_at) == ([6, 3], NOW + 3)
        assert await driver.due(NOW + 4, targets=frozenset()) == []
        assert await driver.due(NOW + 4, targets=targets, limit=0) == []
        claimed = await driver.claim(until=NOW + 4, targets=targets)
        assert (seqs_of(claimed.jobs), claimed.next_at) == ([1, 8], NOW + 9)
        assert (await driver.claim(targets=frozenset({"other"}))).next_at == NOW + 1
        assert await driver.due(NOW + 99, targets=targets) == [7]
        assert seqs_of(await driver.store.read_upcoming(limit=4)) == [2]
        await driver.store.close(clean=True)

    async def test_a_job_is_owned_until_it_is_released(self) -> None:
        """Released, it is due for whoever claims it next; and an opening frees all."""
        driver = await self._opened()
        await driver.apply(driver.new(1, wake_at=NOW), driver.new(2, wake_at=NOW))
        assert sorted(await driver.due()) == [1, 2]
        assert await driver.due() == []
        await driver.apply(driver.change(2, job_image(wake_at=NOW + 1), release=True))
        assert await driver.due(NOW + 1) == [2]
        await self._reopened(driver)
        assert sorted(await driver.due(NOW + 1)) == [1, 2]
        await driver.store.close(clean=True)

    async def test_jobs_are_claimed_by_name(self) -> None:
        """By their id, by a run, by their set; those that ended, too, but not as members of a set. Each comes once."""
        driver = await self._opened()
        await driver.apply(
            driver.new(1, wake_at=NOW, job_set="set", runs=(ended(1, 1), run_image(1, 2))),
            driver.new(2, state=JobState.FINISHED, job_set="set"),
            driver.new(3, job_set="set", release=False, runs=(run_image(3, 1),)),
            driver.new(4, job_set="another"),
            driver.new(5, target="unknown", runs=(ended(5, 1, Outcome.FAILED),)),
        )
        names: dict[str, Any] = {
            "job_ids": (job_id(1), job_id(9)),
            "run_ids": (run_id(1, 2), run_id(3, 1), run_id(5, 1), run_id(5, 2)),
        }
        claimed = await driver.claim(until=NOW, job_sets=("set", "nothing"), **names)
        assert seqs_of(claimed.jobs)[0] == 1
        assert sorted(seqs_of(claimed.jobs)) == [1, 5]
        assert {found: (run.job_id, run.name, run.image, run.ended > 0) for found, run in claimed.runs.items()} == {
            run_id(1, 2): (job_id(1), "job 1", run_image(1, 2), False),
            run_id(3, 1): (job_id(3), "job 3", run_image(3, 1), False),
            run_id(5, 1): (job_id(5), "job 5", ended(5, 1, Outcome.FAILED), True),
        }
        assert seqs_of((await driver.claim(job_ids=(job_id(2), job_id(1)))).jobs) == [2]
        assert seqs_of((await driver.claim(job_sets=("another", "set"))).jobs) == [4]
        await driver.store.close(clean=True)

    async def test_a_job_is_claimed_by_the_run_that_is_planned(self) -> None:
        """The id of a run is known before it is due; a run that is only planned has no row."""
        driver = await self._opened()
        planned = occurrence(3)
        assert planned.run_id is not None
        await driver.apply(
            driver.new(1, pending=planned), driver.new(2, pending=occurrence(4), held=planned),
            driver.new(3, held=planned._replace(run_id=None)),
        )  # fmt: skip
        claimed = await driver.claim(run_ids=(planned.run_id,))
        assert (seqs_of(claimed.jobs), dict(claimed.runs)) == ([1], {})
        assert claimed.jobs[0].image.pending == planned
        assert seqs_of((await driver.claim(run_ids=(planned.run_id,))).jobs) == []
        await driver.store.close(clean=True)

    async def test_the_last_runs_of_a_job_come_with_it(self) -> None:
        """The last run, the last success and the last failure, each once, as far as they are kept."""
        driver = await self._opened()
        runs = (ended(1, 1), ended(1, 2, Outcome.FAILED), ended(1, 3, Outcome.CANCELLED))
        last: dict[str, Any] = {"last_run": 3, "last_success": 1, "last_failure": 2}
        await driver.apply(
            driver.new(1, runs=runs, **last), driver.new(2, runs=(ended(2, 4),), last_run=4, last_success=4),
            driver.new(3, last_run=2),
        )  # fmt: skip
        claimed = await driver.claim(job_ids=tuple(map(job_id, (1, 2, 3))))
        assert [job.last for job in claimed.jobs] == [runs, (ended(2, 4),), ()]
        await driver.store.close(clean=True)

    async def test_jobs_are_read_page_by_page(self) -> None:
        """In the order of submission, by state, by any of several tags."""
        driver = await self._opened()
        states = [JobState.ACTIVE, JobState.PAUSED, JobState.HALTED, JobState.CANCELLED, JobState.FINISHED]
        await driver.apply(
            *(
                driver.new(number, state=states[number % 5], tags=("even", "both")[number % 2 : 2])
                for number in range(20, 0, -1)
            )
        )
        pages: list[int] = []
        while page := await driver.store.read_jobs(JobQuery(after=pages[-1] if pages else 0, limit=7)):
            assert len(page) <= 7
            pages += seqs_of(page)
        assert pages == list(range(1, 21))
        wanted = JobQuery(states=frozenset({JobState.PAUSED, JobState.FINISHED}), after=4, limit=3)
        assert seqs_of(await driver.store.read_jobs(wanted)) == [6, 9, 11]
        wanted = JobQuery(tags=frozenset({"even", "both"}), after=4, limit=3)
        assert seqs_of(await driver.store.read_jobs(wanted)) == [5, 6, 7]
        wanted = JobQuery(tags=frozenset({"even", "no"}), states=frozenset({JobState.PAUSED}), limit=3)
        assert seqs_of(await driver.store.read_jobs(wanted)) == [6, 16]
        for nothing in (JobQuery(states=frozenset()), JobQuery(tags=frozenset()), JobQuery(limit=0)):
            assert list(await driver.store.read_jobs(nothing)) == []
        counts = await driver.store.count()
        assert {state: n for state, n in counts.jobs.items() if n} == dict.fromkeys(states, 4)
        await driver.store.close(clean=True)

    async def test_runs_are_read_page_by_page(self) -> None:
        """The newest first, of one job or all, by outcome, and since a time, even if the clock was set back."""
        driver = await self._opened()
        outcomes = [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED]
        finished = [NOW + 60 * SECOND, NOW, NOW + 30 * SECOND, NOW + 61 * SECOND]
        await driver.apply(driver.new(1, release=False), driver.new(2, release=False))
        for entry in range(1, 5):
            await driver.apply(
                *(
                    driver.change(
                        number,
                        job_image(),
                        runs=(
                            ended(number, entry, outcomes[entry - 1], finished_at=finished[entry - 1], number=number),
                        ),
                    )
                    for number in (1, 2)
                )
            )
        every = [(f"job {number}", entry) for entry in (4, 3, 2, 1) for number in (2, 1)]
        pages: list[StoredRun] = []
        while page := await driver.store.read_runs(RunQuery(before=pages[-1].ended if pages else None, limit=3)):
            assert len(page) <= 3
            pages += page
        assert entries_of(pages) == every
        for query, expected in (
            (RunQuery(job_id=job_id(1), limit=3), [("job 1", entry) for entry in (4, 3, 2)]),
            (RunQuery(job_id=job_id(1), before=pages[3].ended), [("job 1", entry) for entry in (2, 1)]),
            (RunQuery(job_id=job_id(3)), []),
            (RunQuery(outcomes=frozenset({Outcome.FAILED, Outcome.SKIPPED}), limit=3), [*every[:2], every[4]]),
            (RunQuery(outcomes=frozenset({Outcome.FAILED, Outcome.SUCCEEDED})), every[4:]),
            (RunQuery(outcomes=frozenset({Outcome.TIMED_OUT}), job_id=job_id(2)), [("job 2", 3)]),
            (RunQuery(outcomes=frozenset()), []),
            (RunQuery(outcomes=frozenset(), job_id=job_id(2)), []),
            (RunQuery(since=finished[2]), [each for each in every if each[1] != 2]),
            (RunQuery(since=finished[0], limit=3), [*every[:2], every[6]]),
            (RunQuery(since=finished[3] + 1), []),
            (RunQuery(since=finished[3], outcomes=frozenset({Outcome.SKIPPED}), job_id=job_id(1)), [every[1]]),
            (RunQuery(limit=0), []),
        ):
            assert entries_of(await driver.store.read_runs(query)) == expected, query
        await driver.store.close(clean=True)

    async def test_settings_are_kept_by_name(self) -> None:
        """They come back with the opening; ``None`` removes one."""
        driver = await self._opened()
        await driver.apply(paused="{}", other="ü", gone="x")
        await driver.apply(paused="all", gone=None, never=None)
        await self._reopened(driver)
        assert dict(driver.opened.settings) == {"paused": "all", "other": "ü"}
        await driver.store.close(clean=True)

    async def test_the_last_position_is_known_even_if_its_job_is_gone(self) -> None:
        """No job has the position of another that was deleted."""
        driver = await self._opened()
        await driver.apply(driver.new(7, release=False), driver.new(3, release=False))
        await driver.apply(driver.change(7, None))
        await self._reopened(driver)
        assert driver.opened.last_seq == 7
        await driver.store.close(clean=True)

    async def test_a_store_is_for_one_at_a_time(self) -> None:
        """Opened a second time it is in use, and works on for who has it."""
        driver = await self._opened()
        try:
            await StoreDriver(self.same_store(driver.store)).open()
        except StoreInUse:
            pass
        else:  # pragma: no cover  (a store that fails this test)
            raise AssertionError("a store that is open was opened a second time")
        assert list(await driver.apply(driver.new(1))) == []
        await self._reopened(driver)
        assert seqs_of(await driver.store.read_jobs(JobQuery())) == [1]
        await driver.store.close(clean=False)
