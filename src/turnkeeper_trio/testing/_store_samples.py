"""Rows of jobs and runs, and batches of them, as a scheduler gives them to a store: for tests of stores."""

from collections.abc import Sequence
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.stored import (
    Batch,
    Claim,
    Claimed,
    DefinitionImage,
    JobChange,
    JobImage,
    OccurrenceImage,
    Opened,
    Refusal,
    RunImage,
    RunState,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.abc import Store

SECOND = 1_000_000
NOW = 1_767_225_600 * SECOND
"""2026-01-01 00:00 UTC in microseconds."""


def job_id(number: int) -> UUID:
    """Return the id of a job; its parts differ."""
    return UUID(int=number << 96 | number)


def run_id(number: int, entry: int) -> UUID:
    """Return the id of a run."""
    return UUID(int=1 << 127 | number << 64 | entry)


def definition(number: int, **options: Any) -> DefinitionImage:
    """Return the definition of a job; ``options`` are fields that differ from the usual ones."""
    usual: dict[str, Any] = {
        "key": f"key-{number}", "name": f"job {number}", "target": "work", "tags": (), "priority": 5, "job_set": None,
        "text": f'{{"number": {number}}}', "bound": None,
    }  # fmt: skip
    return DefinitionImage(**usual | options)


def job_image(**options: Any) -> JobImage:
    """Return the state of a job, by default of one that has just been submitted."""
    usual: dict[str, Any] = {
        "state": JobState.ACTIVE, "reason": "", "version": 1, "pending": None, "held": None, "latest": None, "ran": 0,
        "entries": 1, "had_occurrence": False, "consecutive_failures": 0, "skipped": 0, "skipped_before": 0,
        "last_run": None, "last_success": None, "last_failure": None, "deleted": False, "wake_at": None,
    }  # fmt: skip
    return JobImage(**usual | options)


def occurrence(entry: int = 1, at: int = NOW) -> OccurrenceImage:
    """Return an occurrence that is planned."""
    return OccurrenceImage(entry, UUID(int=7 << 96 | entry), at, at + 7, Origin.SCHEDULE)


def run_image(job: int, /, entry: int = 1, **options: Any) -> RunImage:
    """Return the row of a run of a job, by default of one that waits for a worker."""
    usual: dict[str, Any] = {
        "entry": entry, "run_id": run_id(job, entry), "origin": Origin.SCHEDULE, "scheduled_at": NOW, "due_at": NOW,
        "state": RunState.DUE, "attempts": 0, "failures": 0, "crashes": 0, "overlap": None, "wake_at": None,
        "started_at": None, "executed": 0, "number": entry, "finished_at": None, "outcome": None, "reason": "",
        "error": None, "value": None, "count": 1, "retired": False,
    }  # fmt: skip
    return RunImage(**usual | options)


def ended(job: int, /, entry: int = 1, outcome: Outcome = Outcome.SUCCEEDED, **options: Any) -> RunImage:
    """Return the row of a run that has ended."""
    usual: dict[str, Any] = {"state": RunState.ENDED, "outcome": outcome, "finished_at": NOW + entry * SECOND}
    return run_image(job, entry, **usual | options)


@final
class StoreDriver:
    """Gives a store batches as a scheduler does, with numbers of their own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.opened = Opened()
        self._number = 0
        self._changes = 0
        self._openings = 0

    async def open(self, at: int = NOW) -> Opened:
        """Open the store, as in a process of its own."""
        self._openings += 1
        node = StoreNode(
            node_id=UUID(int=self._openings), host="test", pid=self._openings, version="0", at=at, inline=False
        )
        self.opened = await self.store.open(node)
        self._number = 0
        return self.opened

    async def reopen(self, store: Store | None = None) -> Opened:
        """Close the store, and open it, or another that has the same rows."""
        await self.store.close(clean=True)
        self.store = store or self.store
        return await self.open()

    def change(self, number: int, image: JobImage | None, **options: Any) -> JobChange:
        """Return a change of a job; ``options`` are fields of `JobChange`."""
        self._changes += 1
        usual: dict[str, Any] = {
            "change_id": self._changes, "job_id": job_id(number), "seq": number, "new": False, "definition": None,
            "image": image, "runs": (), "dropped": (), "forget": False,
            "release": False,
        }  # fmt: skip
        return JobChange(**usual | options)

    def new(self, number: int, *, release: bool = True, **options: Any) -> JobChange:
        """Return the change that adds a job, with a definition and an image as their fields in ``options`` say."""
        definitions = {name: options.pop(name) for name in DefinitionImage._fields if name in options}
        more = {name: options.pop(name) for name in ("runs", "seq", "forget") if name in options}
        return self.change(
            number,
            job_image(**options),
            new=True,
            definition=definition(number, **definitions),
            release=release,
            **more,
        )

    def batch(self, *changes: JobChange, at: int = NOW, **settings: str | None) -> Batch:
        """Return the next batch."""
        self._number += 1
        return Batch(self._number, at, changes, settings)

    async def apply(self, *changes: JobChange, at: int = NOW, **settings: str | None) -> Sequence[Refusal]:
        """Have the store commit the next batch."""
        return await self.store.apply(self.batch(*changes, at=at, **settings))

    async def claim(self, **options: Any) -> Claimed:
        """Claim jobs as the fields of a `Claim` in ``options`` say."""
        usual: dict[str, Any] = {"now": NOW, "targets": frozenset({"work"})}
        return await self.store.claim(Claim(**usual | options))

    async def due(self, until: int = NOW, **options: Any) -> list[int]:
        """Claim what is due, and return the numbers of these jobs, in order."""
        return [job.seq for job in (await self.claim(until=until, **options)).jobs]


def seqs_of(jobs: Sequence[StoredJob]) -> list[int]:
    """Return the positions of jobs."""
    return [job.seq for job in jobs]


def entries_of(runs: Sequence[StoredRun]) -> list[tuple[str, int]]:
    """Return the names of the jobs of runs, and the numbers of these."""
    return [(run.name, run.image.entry) for run in runs]


class StoreTests:
    """What tests of a store need: how one is made, and opened again."""

    def new_store(self) -> Store:
        """Return a store without any job, which is not open."""
        raise NotImplementedError

    def same_store(self, store: Store) -> Store:
        """Return what a later process opens to find what is in ``store``, which is closed; by default ``store``."""
        return store

    async def _opened(self) -> StoreDriver:
        driver = StoreDriver(self.new_store())
        await driver.open()
        return driver

    async def _reopened(self, driver: StoreDriver) -> None:
        await driver.store.close(clean=True)
        driver.store = self.same_store(driver.store)
        await driver.open()
