"""The rows that a store would have, in dicts: what the engine told, and what it would be told after a crash."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from turnkeeper_trio._engine.images import definition_image, job_image, run_image
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.stored import DefinitionImage, JobChange, JobImage, RunImage, RunState, StoredJob


@dataclass
class Row:
    seq: int
    definition: DefinitionImage
    image: JobImage
    runs: dict[int, RunImage] = field(default_factory=dict)
    owned: bool = True


class ModelStore:
    """What a store keeps, and nothing else: it commits images."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Row] = {}
        self.batches: list[list[JobChange]] = []

    def apply(self, changes: Iterable[JobChange]) -> None:
        """Commit the changes of a turn, and check that they are what a store can commit."""
        changes = list(changes)
        self.batches.append(changes)
        assert len({change.job_id for change in changes}) == len(changes), "a job is in a batch once"
        for change in changes:
            self._apply(change)

    def _apply(self, change: JobChange) -> None:
        row = self.rows.get(change.job_id)
        if change.image is None:
            assert row is not None
            assert row.owned
            del self.rows[change.job_id]
            return
        if change.new:
            assert row is None, "it is not new"
            assert change.definition is not None
            row = self.rows[change.job_id] = Row(change.seq, change.definition, change.image)
        assert row is not None
        assert row.owned, "it was released, and has to be claimed first"
        if change.forget:
            row.runs.clear()
        row.seq, row.image, row.owned = change.seq, change.image, not change.release
        row.definition = change.definition or row.definition
        for run in change.runs:
            before = row.runs.get(run.entry)
            ended_before = before is not None and before.state is RunState.ENDED
            assert not ended_before or (run.count > before.count and run.outcome is before.outcome), "it ended twice"
            row.runs[run.entry] = run
        for entry in change.dropped:
            row.runs.pop(entry, None)

    def claim(self, job_ids: Iterable[UUID] | None = None) -> list[StoredJob]:
        """Give jobs that nobody owns; all of them that have something to do, if none is named."""
        wanted = [job_id for job_id, row in self.rows.items() if not row.owned]
        if job_ids is None:
            wanted = [job_id for job_id in wanted if self.rows[job_id].image.wake_at is not None]
        else:
            wanted = [job_id for job_id in job_ids if job_id in wanted]
        return [self._stored(job_id) for job_id in wanted]

    def _stored(self, job_id: UUID) -> StoredJob:
        row = self.rows[job_id]
        row.owned = True
        opened = sorted(
            (run for run in row.runs.values() if run.state is not RunState.ENDED), key=lambda run: run.entry
        )
        image = row.image
        last = {image.last_run, image.last_success, image.last_failure} & row.runs.keys()
        ended = tuple(row.runs[entry] for entry in sorted(last))
        return StoredJob(job_id, row.seq, row.definition, image, tuple(opened), ended)

    def crash(self) -> None:
        """The process dies: nobody owns anything."""
        for row in self.rows.values():
            row.owned = False

    def check(self, state: State) -> None:
        """Assert that the rows are the images of the tables, and that nothing is stranded."""
        owned = {job_id for job_id, row in self.rows.items() if row.owned}
        jobs = {job_id: job for job_id, job in {**state.jobs, **state.remains}.items() if not job.lost}
        kept = {job_id for job_id, job in jobs.items() if job.released}
        assert owned == jobs.keys() - kept, "owned, and not in the tables, or the other way around"
        assert kept <= {job.job_id for job in state.ended_jobs}, "given up, and not only there to be read"
        for job_id, job in jobs.items():
            row = self.rows[job_id]
            assert row.image == job_image(state, job), f"{row.image}\n{job_image(state, job)}"
            assert row.definition == definition_image(job)
            told = {entry: run for entry, run in row.runs.items() if run.state is not RunState.ENDED}
            assert told == {run.occurrence.entry: run_image(state, run) for run in job.runs if not run.job.lost}
            assert job.entries >= max(row.runs, default=0)
        for row in self.rows.values():
            if not row.owned:
                opened = [run for run in row.runs.values() if run.state is not RunState.ENDED]
                assert row.image.wake_at is not None or not (opened or row.image.pending), "nobody would look at it"
