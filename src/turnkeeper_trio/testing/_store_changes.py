"""Tests of what a store does with the changes that it is given."""

from collections.abc import Sequence
from typing import Any

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.stored import Batch, JobQuery, Refusal, RunQuery, RunState, StoredJob
from turnkeeper_trio.testing._store_samples import (
    NOW,
    StoreTests,
    definition,
    ended,
    entries_of,
    job_id,
    job_image,
    occurrence,
    run_image,
    seqs_of,
)


def _reasons(refusals: Sequence[Refusal]) -> list[int]:
    return [refusal.change_id for refusal in refusals]


class StoreChanges(StoreTests):
    """How changes are committed, or refused."""

    async def test_rows_come_back_as_they_were(self) -> None:
        """Each field of a definition, of a job, of an occurrence and of a run, in this process and in the next."""
        driver = await self._opened()
        wide: dict[str, Any] = {
            "state": JobState.PAUSED, "reason": "lunch ☕", "version": 3, "pending": occurrence(4),
            "held": occurrence(5, NOW + 1), "latest": NOW - 1, "ran": 2, "entries": 9, "had_occurrence": True,
            "consecutive_failures": 4, "skipped": 6, "skipped_before": 5, "last_run": 2, "last_success": 1,
            "last_failure": 2, "wake_at": NOW + 5,
        }  # fmt: skip
        told: dict[str, Any] = {
            "key": None,
            "tags": ("a", "b c", "ü"),
            "priority": -3,
            "job_set": "set",
            "text": '{"é": "\\u0000"}',
        }
        done = ended(1, 1, value='{"value": 1}', started_at=NOW, executed=12, attempts=3, failures=2, crashes=1)
        failed = ended(1, 2, Outcome.FAILED, error='{"type": "E"}', reason="it raised E", retired=True)
        skipped = ended(1, 3, Outcome.SKIPPED, count=40, overlap="skip")
        opened = [
            run_image(1, 6, state=RunState.STARTED, attempts=1, started_at=NOW),
            run_image(1, 7, state=RunState.RETRY, wake_at=NOW + 9, overlap="cancel_other"),
            run_image(1, 8, state=RunState.SNOOZED, wake_at=NOW + 9),
            run_image(1, 9),
        ]
        await driver.apply(driver.new(1, runs=(done, failed, skipped, *reversed(opened)), **told, **wide))
        expected = StoredJob(job_id(1), 1, definition(1, **told), job_image(**wide), tuple(opened), (done, failed))
        assert list((await driver.claim(until=NOW + 5)).jobs) == [expected]
        for _ in range(2):
            listed = expected._replace(last=())
            assert list(await driver.store.read_jobs(JobQuery())) == [listed]
            runs = [run.image for run in await driver.store.read_runs(RunQuery())]
            assert runs == [skipped, failed, done]
            await self._reopened(driver)
        assert list(await driver.store.read_upcoming(limit=10)) == [expected._replace(last=())]
        assert list((await driver.claim(until=NOW + 5)).jobs) == [expected]
        await driver.store.close(clean=True)

    async def test_texts_without_letters_are_kept_somehow(self) -> None:
        """A reason, a name or a tag may hold half a surrogate pair: the batch is committed, and can be read."""
        driver = await self._opened()
        odd: dict[str, Any] = {
            "reason": "no \ud800 letter",
            "name": "\udcff",
            "tags": ("\udcff",),
            "key": None,
            "job_set": "\udcff",
        }
        failed = ended(1, 1, Outcome.FAILED, reason="\udcff")
        await driver.apply(driver.new(1, runs=(failed,), **odd), note="\udcff")
        assert seqs_of(await driver.store.read_jobs(JobQuery(tags=frozenset({"\udcff"})))) == [1]
        assert seqs_of((await driver.claim(job_sets=("\udcff",))).jobs) == [1]
        assert len(await driver.store.read_runs(RunQuery())) == 1
        await driver.store.close(clean=True)

    async def test_an_image_takes_the_place_of_the_one_before(self) -> None:
        """The state, the definition with its tags, and the rows of runs; the same image may be written twice."""
        driver = await self._opened()
        await driver.apply(driver.new(1, release=False, tags=("a", "b"), runs=(run_image(1, 1),)))
        new = definition(1, name="renamed", tags=("b", "c"))
        started = run_image(1, 1, state=RunState.STARTED, attempts=1)
        for _ in range(2):
            await driver.apply(driver.change(1, job_image(version=2), definition=new, runs=(started,)))
        for tag, expected in (("a", []), ("b", [1]), ("c", [1])):
            assert seqs_of(await driver.store.read_jobs(JobQuery(tags=frozenset({tag})))) == expected
        for _ in range(2):
            await driver.apply(driver.change(1, job_image(version=3), runs=(ended(1, 1),)))
        (run,) = await driver.store.read_runs(RunQuery())
        assert (run.name, run.image) == ("renamed", ended(1, 1))
        counts = await driver.store.count()
        assert {state: n for state, n in counts.runs.items() if n} == {RunState.ENDED: 1}
        assert {outcome: n for outcome, n in counts.outcomes.items() if n} == {Outcome.SUCCEEDED: 1}
        (job,) = await driver.store.read_jobs(JobQuery())
        assert (job.definition, job.image.version) == (new, 3)
        await driver.store.close(clean=True)

    async def test_a_refused_change_leaves_no_trace(self) -> None:
        """An id that is taken, a job that is not there, and one that nobody claimed: all others are committed."""
        driver = await self._opened()
        await driver.apply(driver.new(1), driver.new(2, release=False))
        refused = [
            driver.new(1, name="another", seq=8, runs=(ended(1, 1),)),
            driver.new(2, name="another", seq=9),
            driver.change(1, job_image(version=7), runs=(run_image(1, 1),), definition=definition(1, name="x")),
            driver.change(1, None),
            driver.change(5, job_image()),
            driver.change(5, None),
        ]
        accepted = [driver.change(2, job_image(version=2)), driver.new(3)]
        refusals = await driver.apply(*refused[:3], *accepted, *refused[3:])
        assert _reasons(refusals) == [change.change_id for change in refused]
        assert all(refusal.reason for refusal in refusals)
        jobs = await driver.store.read_jobs(JobQuery())
        assert [(job.seq, job.definition.name, job.image.version) for job in jobs] == [
            (1, "job 1", 1), (2, "job 2", 2), (3, "job 3", 1)
        ]  # fmt: skip
        assert list(await driver.store.read_runs(RunQuery())) == []
        assert sum((await driver.store.count()).runs.values()) == 0
        await self._reopened(driver)
        assert driver.opened.last_seq == 3
        await driver.store.close(clean=True)

    async def test_a_batch_is_committed_once(self) -> None:
        """The same number again: the same refusals, and nothing is done; after an opening numbers begin anew."""
        driver = await self._opened()
        await driver.apply(driver.new(1, release=False))
        batch = driver.batch(driver.change(1, job_image(version=2)), driver.new(1), driver.change(9, job_image()))
        first = await driver.store.apply(batch)
        assert list(await driver.store.apply(batch)) == list(first)
        assert len(first) == 2
        other = Batch(batch.number, NOW, [driver.change(1, job_image(version=5))])
        assert list(await driver.store.apply(other)) == list(first)
        older = Batch(batch.number - 1, NOW, [driver.change(1, job_image(version=5))])
        assert list(await driver.store.apply(older)) == []
        (job,) = await driver.store.read_jobs(JobQuery())
        assert job.image.version == 2
        await self._reopened(driver)
        await driver.claim(job_ids=(job_id(1),))
        assert list(await driver.apply(driver.change(1, job_image(version=6)))) == []
        (job,) = await driver.store.read_jobs(JobQuery())
        assert job.image.version == 6
        await driver.store.close(clean=True)

    async def test_changes_of_one_job_are_done_in_order(self) -> None:
        """A job is deleted and added again, changed and deleted, added and changed in one batch."""
        driver = await self._opened()
        await driver.apply(*(driver.new(number, release=False, tags=("t",)) for number in (1, 2)))
        refusals = await driver.apply(
            driver.change(1, None),
            driver.new(1, seq=11, name="again", release=False),
            driver.change(2, job_image(version=2), runs=(ended(2, 1), run_image(2, 2))),
            driver.change(2, None, runs=(ended(2, 2),)),
            driver.new(3, seq=13, release=False),
            driver.change(3, job_image(version=4), runs=(run_image(3, 1),), seq=13, release=True),
            driver.change(3, job_image(version=5), seq=13),
        )
        assert len(refusals) == 1
        jobs = await driver.store.read_jobs(JobQuery())
        assert [(job.seq, job.definition.name, job.image.version) for job in jobs] == [
            (11, "again", 1), (13, "job 3", 4)
        ]  # fmt: skip
        assert list(await driver.store.read_jobs(JobQuery(tags=frozenset({"t"})))) == []
        counts = await driver.store.count()
        assert (counts.outcomes[Outcome.SUCCEEDED], counts.jobs[JobState.ACTIVE]) == (2, 2)
        assert {state: n for state, n in counts.runs.items() if n} == {RunState.DUE: 1}
        await driver.store.close(clean=True)

    async def test_a_job_that_is_over_makes_room_for_another_with_its_id(self) -> None:
        """One that has ended, or was deleted, is replaced: the rows of its runs stay, and its place is the new one."""
        driver = await self._opened()
        over = (JobState.FINISHED, JobState.CANCELLED, JobState.ACTIVE)
        for number, state in enumerate(over, 1):
            image: dict[str, Any] = {"state": state, "deleted": state is JobState.ACTIVE, "tags": ("old",)}
            await driver.apply(driver.new(number, runs=(ended(number, 1), run_image(number, 2)), **image))
        assert seqs_of(await driver.store.read_jobs(JobQuery())) == [1, 2]
        refusals = await driver.apply(
            *(driver.new(number, seq=10 - number, entries=2, name="new", tags=("n",)) for number in (1, 2, 3))
        )
        assert list(refusals) == []
        assert seqs_of(await driver.store.read_jobs(JobQuery())) == [7, 8, 9]
        assert seqs_of(await driver.store.read_jobs(JobQuery(tags=frozenset({"n"})))) == [7, 8, 9]
        assert list(await driver.store.read_jobs(JobQuery(tags=frozenset({"old"})))) == []
        assert entries_of(await driver.store.read_runs(RunQuery(job_id=job_id(1)))) == [("new", 1)]
        (job,) = (await driver.claim(job_ids=(job_id(3),))).jobs
        assert [run.entry for run in job.runs] == [2]
        counts = await driver.store.count()
        assert {state: n for state, n in counts.jobs.items() if n} == {JobState.ACTIVE: 3}
        await driver.store.close(clean=True)

    async def test_all_runs_of_a_job_may_be_forgotten(self) -> None:
        """Those that come with the change are left; how many there were is counted all the same."""
        driver = await self._opened()
        await driver.apply(
            driver.new(1, release=False, runs=(ended(1, 1), ended(1, 2), run_image(1, 3), run_image(1, 4))),
            driver.new(2, forget=True, runs=(ended(2, 1),)),
        )
        started = run_image(1, 4, state=RunState.STARTED)
        await driver.apply(driver.change(1, job_image(deleted=True), forget=True, runs=(started, ended(1, 5))))
        assert entries_of(await driver.store.read_runs(RunQuery())) == [("job 1", 5), ("job 2", 1)]
        counts = await driver.store.count()
        assert {state: n for state, n in counts.runs.items() if n} == {RunState.STARTED: 1, RunState.ENDED: 2}
        assert counts.outcomes[Outcome.SUCCEEDED] == 4
        await driver.store.close(clean=True)

    async def test_dropped_rows_are_gone_and_counted_with_what_they_were_merged(self) -> None:
        """Occurrences that were skipped become one row: how many there were stays right."""
        driver = await self._opened()
        first, waits = ended(1, 1, Outcome.SKIPPED, number=1), run_image(1, 2)
        await driver.apply(driver.new(1, release=False, runs=(first, waits)))
        both = ended(1, 2, Outcome.SKIPPED, count=2, number=2)
        await driver.apply(driver.change(1, job_image(), runs=(both,), dropped=(1, 7)))
        assert [run.image for run in await driver.store.read_runs(RunQuery())] == [both]
        more = both._replace(count=5, number=3)
        await driver.apply(driver.change(1, job_image(), runs=(more, ended(1, 3, number=4))))
        assert [run.image.count for run in await driver.store.read_runs(RunQuery())] == [1, 5]
        counts = await driver.store.count()
        assert {outcome: n for outcome, n in counts.outcomes.items() if n} == {
            Outcome.SKIPPED: 5, Outcome.SUCCEEDED: 1
        }  # fmt: skip
        assert {state: n for state, n in counts.runs.items() if n} == {RunState.ENDED: 2}
        await driver.store.close(clean=True)
