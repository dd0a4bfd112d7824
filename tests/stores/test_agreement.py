"""Random batches: the store in memory and the one in a file answer every question equally."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio.abc import Claimed, JobChange, JobQuery, RunImage, RunQuery, RunState, StoredRun
from turnkeeper_trio.stores import Keep, MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore, _tool
from turnkeeper_trio.testing._store_samples import (
    NOW,
    SECOND,
    StoreDriver,
    definition,
    ended,
    job_id,
    job_image,
    occurrence,
    run_id,
    run_image,
)  # fmt: skip

JOBS = st.integers(1, 5)
TARGETS = ("work", "more", "other")
TAGS = ("a", "b", "c")
SETS = (None, "s", "t")
ENTRIES = st.integers(1, 6)

images = st.builds(
    job_image,
    state=st.sampled_from(JobState),
    version=st.integers(1, 3),
    deleted=st.booleans(),
    wake_at=st.none() | st.integers(NOW, NOW + 9),
    last_run=st.none() | ENTRIES,
    last_success=st.none() | ENTRIES,
    entries=st.just(6),
    pending=st.none() | st.integers(1, 6).map(occurrence),
)
definitions = st.fixed_dictionaries(
    {
        "target": st.sampled_from(TARGETS),
        "tags": st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
        "job_set": st.sampled_from(SETS),
        "name": st.sampled_from(("x", "y")),
    }
)


@st.composite
def changes(draw: Callable[..., Any]) -> tuple[Any, ...]:
    """Draw a change without the numbers that a driver gives it."""
    number = draw(JOBS)
    entries = draw(st.lists(ENTRIES, unique=True, max_size=4))
    runs = []
    for entry in entries:
        if draw(st.booleans()):
            runs.append(run_image(number, entry, state=draw(st.sampled_from([RunState.DUE, RunState.STARTED]))))
        else:
            at, count = NOW + draw(st.integers(0, 5)) * SECOND, draw(st.integers(1, 3))
            runs.append(ended(number, entry, draw(st.sampled_from(Outcome)), finished_at=at, count=count))
    dropped = draw(st.lists(ENTRIES.filter(lambda entry: entry not in entries), unique=True, max_size=2))
    new, gone = draw(st.booleans()), draw(st.integers(0, 5)) == 0
    told = draw(definitions) if new or draw(st.booleans()) else None
    image = None if gone and not new else draw(images)
    return number, new, image, told, tuple(runs), tuple(dropped), draw(st.booleans()), draw(st.integers(0, 9)) == 0


claims = st.fixed_dictionaries(
    {
        "until": st.none() | st.integers(NOW, NOW + 9),
        "limit": st.integers(0, 4),
        "targets": st.frozensets(st.sampled_from(TARGETS)),
        "job_ids": st.lists(JOBS.map(job_id), max_size=2).map(tuple),
        "run_ids": st.lists(
            st.builds(run_id, JOBS, ENTRIES) | ENTRIES.map(lambda entry: occurrence(entry).run_id), max_size=2
        ).map(tuple),
        "job_sets": st.lists(st.sampled_from(("s", "t")), max_size=1).map(tuple),
    }
)
job_queries = st.builds(
    JobQuery,
    states=st.none() | st.frozensets(st.sampled_from(JobState)),
    tags=st.none() | st.frozensets(st.sampled_from(TAGS)),
    after=st.integers(0, 20),
    limit=st.integers(0, 5),
)
run_queries = st.builds(
    RunQuery,
    job_id=st.none() | JOBS.map(job_id),
    outcomes=st.none() | st.frozensets(st.sampled_from(Outcome), max_size=3),
    since=st.none() | st.integers(0, 5).map(lambda seconds: NOW + seconds * SECOND),
    before=st.none() | st.integers(1, 40),
    limit=st.integers(0, 9),
)
steps = st.one_of(
    st.lists(changes(), max_size=5).map(lambda drawn: ("apply", drawn)),
    claims.map(lambda claim: ("claim", claim)),
    job_queries.map(lambda query: ("jobs", query)),
    run_queries.map(lambda query: ("runs", query)),
    st.sampled_from([("reopen", None), ("count", None), ("upcoming", None), ("repeat", None)]),
)


class Both:
    """A store in memory and one in a file, which are asked the same."""

    def __init__(self, path: Path) -> None:
        keep = Keep(per_job=None, age=None, total=None)
        self.path = path
        self.drivers = [
            StoreDriver(MemoryStore()),
            StoreDriver(SQLiteStore(path, offload="inline", durability="normal", history=keep)),
        ]
        self.seq = 0
        self.ended: set[tuple[int, int]] = set()

    def change(self, driver: StoreDriver, drawn: tuple[Any, ...], seq: int) -> JobChange:
        number, new, image, told, runs, dropped, release, forget = drawn
        return driver.change(
            number, image, new=new, seq=seq, runs=runs, dropped=dropped, release=release, forget=forget,
            definition=None if told is None else definition(number, **told),
        )  # fmt: skip

    async def step(self, kind: str, drawn: Any) -> None:
        self.seq += 10
        if kind == "apply":
            drawn = [(each[0], each[1], each[2], each[3], self.final(each[0], each[4]), *each[5:]) for each in drawn]
        answers = [await getattr(self, kind)(driver, drawn) for driver in self.drivers]
        assert answers[0] == answers[1], kind

    def final(self, number: int, runs: tuple[RunImage, ...]) -> tuple[RunImage, ...]:
        """Return the rows, but for those of runs that ended before: these never begin again."""
        before = self.ended.copy()
        self.ended.update((number, run.entry) for run in runs if run.state is RunState.ENDED)
        return tuple(run for run in runs if run.state is RunState.ENDED or (number, run.entry) not in before)

    async def apply(self, driver: StoreDriver, drawn: Any) -> Any:
        made = [self.change(driver, each, self.seq + place) for place, each in enumerate(drawn)]
        return [(refusal.reason, refusal.change_id) for refusal in await driver.apply(*made, at=NOW)]

    async def repeat(self, driver: StoreDriver, _: Any) -> Any:
        driver._number -= 1
        return [refusal.change_id for refusal in await driver.apply(driver.change(1, job_image(version=9)))]

    async def claim(self, driver: StoreDriver, options: Any) -> Any:
        claimed: Claimed = await driver.claim(**options)
        # Jobs with the same wake_at may come in any order, and the limit may cut between them.
        jobs = sorted(claimed.jobs, key=lambda job: job.job_id)
        if options["until"] is not None and options["limit"] <= len(jobs):
            await driver.reopen()
            claimed = await driver.claim(**{**options, "limit": 99})
            jobs = sorted(claimed.jobs, key=lambda job: job.job_id)
        return jobs, claimed.next_at, claimed.runs

    async def jobs(self, driver: StoreDriver, query: JobQuery) -> Any:
        return list(await driver.store.read_jobs(query))

    async def runs(self, driver: StoreDriver, query: RunQuery) -> list[StoredRun]:
        return list(await driver.store.read_runs(query))

    async def count(self, driver: StoreDriver, _: Any) -> Any:
        counts = await driver.store.count()
        return [{k: n for k, n in each.items() if n} for each in (counts.jobs, counts.runs, counts.outcomes)]

    async def upcoming(self, driver: StoreDriver, _: Any) -> Any:
        found = await driver.store.read_upcoming(limit=99)
        return sorted(found, key=lambda job: (job.image.wake_at, job.job_id))

    async def reopen(self, driver: StoreDriver, _: Any) -> Any:
        return await driver.reopen()

    async def run(self, drawn: list[tuple[str, Any]]) -> None:
        for driver in self.drivers:
            await driver.open()
        for kind, about in drawn:
            await self.step(kind, about)
        for query in (JobQuery(), JobQuery(limit=99)):
            await self.step("jobs", query)
        await self.step("runs", RunQuery(limit=999))
        await self.step("count", None)
        await self.step("claim", {"job_ids": tuple(map(job_id, range(1, 6))), "until": None, "limit": 0})
        for driver in self.drivers:
            await driver.store.close(clean=True)


@pytest.mark.slow
@given(st.lists(steps, min_size=1, max_size=14))
def test_the_stores_agree(drawn: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        both = Both(Path(folder) / "jobs.db")
        anyio.run(both.run, drawn)
        connection = _tool._open(_tool._parser().parse_args(["check", str(both.path)])).connected()
        faults = [each for each in _tool._check.faults(connection) if "no time at which" not in each]
        connection.close()
        assert faults == []
