"""What a store has to be told: which jobs were touched since it was last told, what of them ended, and settings."""

from collections.abc import Iterable, Sequence
from typing import Final, final
from uuid import UUID

from turnkeeper_trio._engine.rows import Job, NonRun, Run
from turnkeeper_trio._model.stored import JobChange
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec


@final
class ChangeLog:
    """Notes for a store. If there is no store, nothing is noted.

    Every decision that changes a job touches it. What exactly changed is found when the store is told, by a comparison
    of the images of the rows with those that it was told before. So a decision cannot tell too little or the wrong
    thing; it only has to touch.
    """

    __slots__ = (
        "_unsaved",
        "asked",
        "definitions",
        "dropped",
        "elsewhere",
        "ended",
        "forgotten",
        "offered",
        "settings",
        "touched",
        "waiting",
    )

    def __init__(self, definitions: DefinitionCodec | None) -> None:
        self.definitions: Final = definitions
        """What writes schedules for the store; ``None`` without a store."""
        self.asked: Final = definitions is not None
        """Whether there is a store."""
        self.elsewhere: bool = False
        """Whether the store holds jobs with something to do that are not in the tables."""
        self._unsaved: set[UUID] = set()
        """The ids of the jobs of which the store could not commit the changes that it was told."""
        self.touched: dict[Job, None] = {}
        """The jobs that may have changed, in the order in which they were touched."""
        self.ended: dict[UUID, dict[Run | NonRun, None]] = {}
        """Runs and occurrences that ended, by the id of their job."""
        self.dropped: dict[UUID, list[int]] = {}
        """Entries of runs whose rows were merged with others, by the id of their job."""
        self.forgotten: dict[UUID, bool] = {}
        """The ids of jobs that were deleted, and whether the store has a row of the job. A new job may have the id."""
        self.settings: dict[str, str | None] = {}
        self.waiting: dict[UUID, list[tuple[object, Job]]] = {}
        """The callers that wait until the store has committed a job, with the job, by its id."""
        self.offered: Sequence[JobChange] = ()
        """The changes that the store was told last."""

    def touch(self, job: Job) -> None:
        """Note that a job, or a run of it, may have changed."""
        if self.asked and not job.lost:
            self.touched[job] = None

    def end(self, job: Job, item: Run | NonRun) -> None:
        """Note that a run has ended, or that an occurrence did not run."""
        if self.asked:
            self.touched[job] = None
            ended = self.ended.get(job.job_id)
            if ended is None:
                self.ended[job.job_id] = {item: None}
            else:
                ended[item] = None

    def drop(self, job: Job, entry: int) -> None:
        """Note that an occurrence was merged with another, so that it has no row of its own."""
        if self.asked:
            self.dropped.setdefault(job.job_id, []).append(entry)

    def forget(self, job: Job) -> None:
        """Note that a job was deleted, with all that had ended of it."""
        if self.asked:
            self.touched[job] = None
            self.ended.pop(job.job_id, None)
            self.dropped.pop(job.job_id, None)
            self.forgotten[job.job_id] = self.forgotten.get(job.job_id, False) or job.told is not None

    def wait(self, job: Job, token: object) -> None:
        """Have a caller answered when the store has committed a job."""
        waiting = self.waiting.get(job.job_id)
        if waiting is None:
            self.waiting[job.job_id] = [(token, job)]
        else:
            waiting.append((token, job))

    def give_up(self, changes: Iterable[JobChange]) -> None:
        """Note that the store could not commit changes."""
        self._unsaved.update(change.job_id for change in changes)

    @property
    def unsaved(self) -> int:
        """How many jobs may have changed since the store last committed: none, unless it failed."""
        return len(self._unsaved | {job.job_id for job in self.touched})

    def set(self, name: str, value: str | None) -> None:
        """Note a setting."""
        if self.asked:
            self.settings[name] = value
