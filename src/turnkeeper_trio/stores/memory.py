"""A store whose rows are in memory: they outlive a scheduler, but not the process."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, final
from uuid import UUID

import anyio.lowlevel

from turnkeeper_trio import _validation
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.stored import (
    Batch,
    Claim,
    Claimed,
    DefinitionImage,
    JobChange,
    JobImage,
    JobQuery,
    Opened,
    Refusal,
    RunImage,
    RunQuery,
    RunState,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.errors import StoreError, StoreInUse

__all__ = ["MemoryStore"]

NO_BATCH: Final = -1


@final
@dataclass(slots=True, eq=False)
class _Job:
    """A job, its rows and who owns it."""

    job_id: UUID
    seq: int
    definition: DefinitionImage
    image: JobImage
    owned: bool = True
    runs: dict[int, RunImage] = field(default_factory=dict[int, RunImage])
    """The rows of its runs by entry."""
    ended: dict[int, int] = field(default_factory=dict[int, int])
    """The positions of those that have ended by entry."""

    @property
    def over(self) -> bool:
        """Whether it has ended or was deleted."""
        return self.image.deleted or self.image.state in ENDED_STATES

    def record(self, entry: int) -> StoredRun:
        """Return a row as its readers get it."""
        return StoredRun(self.job_id, self.definition.name, self.runs[entry], self.ended.get(entry, 0))

    def stored(self, *, runs: bool = False, last: bool = False) -> StoredJob:
        """Return the job as its readers get it."""
        opened = [self.runs[entry] for entry in sorted(self.runs.keys() - self.ended.keys())] if runs else ()
        image = self.image
        named = {image.last_run, image.last_success, image.last_failure} if last else set[int | None]()
        kept = [self.runs[entry] for entry in sorted(self.ended) if entry in named]
        return StoredJob(self.job_id, self.seq, self.definition, image, tuple(opened), tuple(kept))


@final
class MemoryStore:
    """Keeps jobs and runs in memory, all of them: a scheduler that is opened with the same store later finds them.

    It is for tests of restarts, and for programs in which one scheduler follows another.
    """

    def __init__(self, *, horizon: float = math.inf) -> None:
        """Begin with no job.

        Args:
            horizon: how many seconds before it is due a job is claimed; ``math.inf``: all jobs are claimed at once.
        """
        self._horizon = _validation.number("horizon", horizon, least=0, most=math.inf)
        self._jobs: dict[UUID, _Job] = {}
        self._settings: dict[str, str] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self._last_seq = 0
        self._last_ended = 0
        self._node: StoreNode | None = None
        self._batch = NO_BATCH
        self._refusals: Sequence[Refusal] = ()

    @property
    def horizon(self) -> float:
        """As it was given."""
        return self._horizon

    async def open(self, node: StoreNode, /) -> Opened:
        """Open the store; nobody owns any job afterwards.

        Raises:
            StoreInUse: a scheduler has it open.
        """
        await anyio.lowlevel.checkpoint()
        if self._node is not None:
            message = "this MemoryStore is open already: a store is for one scheduler at a time"
            raise StoreInUse(message, pid=self._node.pid, host=self._node.host)
        self._node = node
        self._batch, self._refusals = NO_BATCH, ()
        for job in self._jobs.values():
            job.owned = False
        return Opened(last_seq=self._last_seq, settings=dict(self._settings))

    async def close(self, *, clean: bool) -> None:
        """Close the store; its rows stay."""
        del clean
        self._node = None
        await anyio.lowlevel.cancel_shielded_checkpoint()

    async def _enter(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self._node is None:
            raise StoreError("this MemoryStore is not open")

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        """Take over the changes, in order, and return those that were refused."""
        await self._enter()
        if batch.number > self._batch:
            ended = sorted(
                (image.number, place, entry)
                for place, change in enumerate(batch.changes)
                for entry, image in enumerate(change.runs)
                if image.state is RunState.ENDED
            )
            numbers = {(place, entry): self._last_ended + n for n, (_, place, entry) in enumerate(ended, 1)}
            self._last_ended += len(ended)
            why = ((change, self._change(change, place, numbers)) for place, change in enumerate(batch.changes))
            self._refusals = tuple(Refusal(change.change_id, reason) for change, reason in why if reason)
            self._batch = batch.number
            self._settings.update({name: value for name, value in batch.settings.items() if value is not None})
            for name in [name for name, value in batch.settings.items() if value is None]:
                self._settings.pop(name, None)
        return self._refusals if batch.number == self._batch else ()

    def _change(self, change: JobChange, place: int, numbers: dict[tuple[int, int], int]) -> str:
        """Take over one change, and return why it is refused; an empty text if it is not."""
        job = self._jobs.get(change.job_id)
        if change.new:
            if job is not None and not job.over:
                return "its id is taken"
            assert change.definition is not None, f"{change} is new and has no definition"
            assert change.image is not None, f"{change} is new and has no image"
            if job is None:
                job = self._jobs[change.job_id] = _Job(change.job_id, change.seq, change.definition, change.image)
            job.seq = change.seq
            self._last_seq = max(self._last_seq, change.seq)
        elif job is None or not job.owned:
            return "it is not claimed"
        job.definition = change.definition or job.definition
        if change.forget:
            job.runs.clear()
            job.ended.clear()
        for index, run in enumerate(change.runs):
            self._write(job, run, numbers.get((place, index), 0))
        for entry in change.dropped:
            self._drop(job, entry)
        if change.image is None:
            del self._jobs[job.job_id]
        else:
            job.image = change.image
            job.owned = not change.release
        return ""

    def _write(self, job: _Job, run: RunImage, number: int) -> None:
        if run.outcome is not None and run.state is RunState.ENDED:
            before = job.runs.get(run.entry, run)
            if (before.number, before.finished_at) == (run.number, run.finished_at):
                number = job.ended.get(run.entry, number)
            self._drop(job, run.entry)
            job.ended[run.entry] = number
            self._outcomes[run.outcome] += run.count
        job.runs[run.entry] = run

    def _drop(self, job: _Job, entry: int) -> None:
        run = job.runs.pop(entry, None)
        if run is not None and job.ended.pop(entry, None) is not None and run.outcome is not None:
            self._outcomes[run.outcome] -= run.count

    async def claim(self, claim: Claim, /) -> Claimed:
        """Give jobs that nobody owns to the scheduler."""
        await self._enter()
        runs = {
            run.run_id: job.record(run.entry)
            for job in (self._jobs.values() if claim.run_ids else ())
            for run in job.runs.values()
            if run.run_id in claim.run_ids
        }
        due = self._due(claim.targets, claim.until, claim.limit) if claim.until is not None else []
        claimed = {job.job_id: job for job in due}
        ids = (*claim.job_ids, *(runs[run_id].job_id for run_id in claim.run_ids if run_id in runs))
        named = [job for job_id in ids if (job := self._jobs.get(job_id))]
        pending = (job.image.pending for job in self._jobs.values() if claim.run_ids)
        planned = {each.run_id for each in pending if each is not None} & set(claim.run_ids)
        named += [
            job for job in self._jobs.values() if planned and job.image.pending and job.image.pending.run_id in planned
        ]
        named += [job for job in self._jobs.values() if not job.over and job.definition.job_set in claim.job_sets]
        claimed.update((job.job_id, job) for job in named if not job.owned and job.job_id not in claimed)
        for job in claimed.values():
            job.owned = True
        left = self._due(claim.targets, None, 1)
        return Claimed(
            jobs=[job.stored(runs=True, last=True) for job in claimed.values()],
            next_at=left[0].image.wake_at if left else None,
            runs=runs,
        )

    def _due(self, targets: frozenset[str] | None, until: int | None, limit: int) -> list[_Job]:
        waiting: Iterator[tuple[int, _Job]] = (
            (job.image.wake_at, job)
            for job in self._jobs.values()
            if not job.owned and job.image.wake_at is not None
            if (targets is None or job.definition.target in targets) and (until is None or job.image.wake_at <= until)
        )
        return [job for _, job in heapq.nsmallest(limit, waiting, key=lambda item: item[0])]

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        """Return jobs with their open runs, in the order of submission."""
        await self._enter()
        wanted: Iterable[_Job] = (
            job
            for job in self._jobs.values()
            if job.seq > query.after and not job.image.deleted
            if query.states is None or job.image.state in query.states
            if query.tags is None or not query.tags.isdisjoint(job.definition.tags)
        )
        return [job.stored(runs=True) for job in heapq.nsmallest(query.limit, wanted, key=lambda job: job.seq)]

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        """Return runs that have ended, the newest first."""
        await self._enter()
        jobs = self._jobs.values() if query.job_id is None else filter(None, [self._jobs.get(query.job_id)])
        wanted: Iterable[StoredRun] = (
            job.record(entry)
            for job in jobs
            for entry, ended in job.ended.items()
            if query.before is None or ended < query.before
            if query.outcomes is None or job.runs[entry].outcome in query.outcomes
            if query.since is None or (job.runs[entry].finished_at or 0) >= query.since
        )
        return heapq.nlargest(query.limit, wanted, key=lambda run: run.ended)

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        """Return the jobs that nobody owns and that have a ``wake_at``, the earliest first, with their open runs."""
        await self._enter()
        return [job.stored(runs=True) for job in self._due(None, None, limit)]

    async def count(self) -> StoreCounts:
        """Return how much the store holds."""
        await self._enter()
        jobs = self._jobs.values()
        return StoreCounts(
            jobs=Counter(job.image.state for job in jobs if not job.image.deleted),
            runs=Counter(run.state for job in jobs for run in job.runs.values()),
            outcomes=+self._outcomes,
        )
