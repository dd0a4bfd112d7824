"""What passes between the scheduler and a store: images of rows, the changes of a turn, and jobs that are claimed.

An image is the whole row as it is after a turn, so that a store only writes it, and may write it twice. All instants
are integers: microseconds since the epoch, UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, NamedTuple, final
from uuid import UUID

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import Origin, Outcome


@unique
class RunState(StrEnum):
    """The state of a run, as a store keeps it."""

    DUE = "due"
    """It waits for a worker, or for other runs of its job."""

    STARTED = "started"
    """An attempt of it is about to begin, or executes. If its process has died, it was cut off by that."""

    COMPLETED = "completed"
    """An attempt of it has committed its success together with what it wrote (`TransactionalStore`). Its end is not
    written yet; it ends as succeeded, with the ``value`` of this row. Only a store gives a row this state."""

    RETRY = "retry"
    """It waits for its next attempt, because one failed."""

    SNOOZED = "snoozed"
    """It waits for its next attempt, because one asked to continue later."""

    ENDED = "ended"
    """It has its outcome, for good: its row never has another state again."""


class OccurrenceImage(NamedTuple):
    """An occurrence that is planned, or held by a pause."""

    entry: int
    """Its number within its job; no other occurrence or run of the job ever has it."""
    run_id: UUID | None
    """The id that its run will have; ``None`` if it is held."""
    scheduled_at: int
    due_at: int
    origin: Origin


class RunImage(NamedTuple):
    """The row of a run, or of an occurrence that did not run (or several in a row, see ``count``)."""

    entry: int
    """Its number within its job. The id of the job and this number are the key of the row."""
    run_id: UUID
    origin: Origin
    scheduled_at: int
    """The instant of the occurrence; of several in a row the last."""
    due_at: int
    state: RunState
    attempts: int
    """How many attempts have begun, the one that is about to begin included."""
    failures: int
    crashes: int
    """How many of its attempts were cut off by the death of their process."""
    overlap: str | None
    """The value of the `Overlap` that the caller who triggered it chose."""
    wake_at: int | None
    """When its next attempt is due, while it waits for one."""
    started_at: int | None
    executed: int
    """Microseconds that its attempts executed, added up."""
    number: int
    """While it has not ended: its position in the order in which the runs of its job became due. Then: its position in
    the order in which the records of this scheduler were made."""
    finished_at: int | None
    outcome: Outcome | None
    reason: str
    error: str | None
    """The last error as a JSON object with the texts ``type``, ``message`` and ``traceback``."""
    value: str | None
    """The value of a run that succeeded, as JSON: ``{"value": …}``, or ``{"not_kept": "its repr"}``; ``None`` for
    ``None``."""
    count: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  (it hides `tuple.count`, which nobody needs)
    """How many occurrences it stands for."""
    retired: bool
    """Whether its job was replaced by another with the same id while it executed: no further attempt of it begins."""


class JobImage(NamedTuple):
    """The state of a job, without its definition."""

    state: JobState
    reason: str
    version: int
    pending: OccurrenceImage | None
    """The occurrence that is planned."""
    held: OccurrenceImage | None
    """The occurrence that comes when the job is resumed."""
    latest: int | None
    """The last instant of its grid that was handled."""
    ran: int
    """How many runs count among its ``max_runs``."""
    entries: int
    """The highest number that an occurrence of it ever had."""
    had_occurrence: bool
    consecutive_failures: int
    skipped: int
    skipped_before: int
    last_run: int | None
    """The entry of the last run that ended; then of the last that succeeded, and of the last that failed."""
    last_success: int | None
    last_failure: int | None
    deleted: bool
    """Whether it was deleted, and is kept only for a run that still executes, or for its records."""
    wake_at: int | None
    """When there is something to do for it: a scheduler has to claim it by then. ``None``: never by itself."""


class DefinitionImage(NamedTuple):
    """What a job is: what a store looks for it by, and all the rest as one text."""

    key: str | None
    name: str
    target: str
    tags: tuple[str, ...]
    priority: int
    job_set: str | None
    """The name of the job set that it came with."""
    text: str
    """A JSON object: the request, the target and its arguments."""
    bound: str | None
    """The schedule in force, as JSON: the instant at which the grid of the request's begins, or a schedule, if the
    request's is a user's; ``None``: the request's."""


class JobChange(NamedTuple):
    """All that changed of one job in a turn. A store commits it as a whole, or refuses it as a whole."""

    change_id: int
    job_id: UUID
    seq: int
    """The position of the job in the order of submission."""
    new: bool
    """Whether it is added. The store refuses it if it has a job with this id that has neither ended nor been deleted.
    One that has is replaced, and the rows of its runs stay. A change that is not new is refused unless the scheduler
    owns the job."""
    definition: DefinitionImage | None
    """Its definition, if that changed."""
    image: JobImage | None
    """Its state; ``None``: the job and all its runs are deleted. Runs that end with that are only counted."""
    runs: tuple[RunImage, ...]
    """The rows of runs that changed."""
    dropped: tuple[int, ...]
    """The entries of rows to delete, because they were merged with others."""
    forget: bool
    """Whether all rows of its runs are deleted first, because the job was deleted; ``runs`` are those that are left."""
    release: bool
    """Whether the scheduler gives the job up: from now on it has to be claimed again before it is changed."""

    def __str__(self) -> str:
        """Return its number and what it is about: ``change 7 of the job 0e9d…``."""
        return f"change {self.change_id} of the job {self.job_id}"


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """The changes of a turn: one transaction."""

    number: int
    """Each batch of a scheduler has the next number. A batch that is offered again keeps its number."""
    at: int
    """The time of the turn."""
    changes: Sequence[JobChange] = ()
    settings: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Texts that are kept by name; ``None`` removes one."""


@final
@dataclass(slots=True, eq=False)
class Completion:
    """Work of a user's that is committed together with the success of a run."""

    job_id: UUID
    entry: int
    attempt: int
    """The number of the attempt that does the work."""
    work: Callable[[Any], Any]
    """It is called with what reads and writes in the transaction."""
    value: Any = None
    """What the work returned: the value of the run."""
    error: BaseException | None = None
    """What the work raised: then it is not committed."""


@final
@dataclass(frozen=True, slots=True)
class Refusal(Record):
    """A store's refusal of one change."""

    change_id: int
    reason: str

    def __str__(self) -> str:
        """Return what was refused, and why: ``change 7 refused: another node owns it``."""
        return f"change {self.change_id} refused" + (f": {self.reason}" if self.reason else "")


class StoredRun(NamedTuple):
    """The row of a run, with what a reader needs of its job."""

    job_id: UUID
    name: str
    """The name of its job."""
    image: RunImage
    ended: int
    """0 while it has not ended; then its position in the order in which runs of this store ended: in a batch, that of
    ``number``. A row that is written again keeps its position, unless its ``number`` or its ``finished_at`` is another
    one."""


class StoredJob(NamedTuple):
    """A job as a store holds it."""

    job_id: UUID
    seq: int
    definition: DefinitionImage
    image: JobImage
    runs: tuple[RunImage, ...] = ()
    """The rows of its runs that have not ended, in the order of their entries."""
    last: tuple[RunImage, ...] = ()
    """The rows of its last run, last success and last failure, each once, in the order of their entries, as far as they
    are kept; filled only where a job is claimed."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which jobs a scheduler wants to claim: those due soon that it can run, and those that it names."""

    now: int
    until: int | None = None
    """Jobs whose ``wake_at`` is at most this; ``None``: none but those that are named."""
    limit: int = 1000
    """How many of these at most, the earliest first."""
    targets: frozenset[str] = frozenset()
    """Only jobs with these targets are claimed because they are due."""
    job_ids: tuple[UUID, ...] = ()
    """Whether they have ended, or were deleted, or not."""
    run_ids: tuple[UUID, ...] = ()
    """The jobs of these runs, whether the runs are planned, active or ended."""
    job_sets: tuple[str, ...] = ()
    """All jobs of these job sets that have not ended."""


@final
@dataclass(frozen=True, slots=True)
class Claimed:
    """The jobs that a store gave to a scheduler. Those that it owns already are not among them."""

    jobs: Sequence[StoredJob] = ()
    """Each once: those that are due, the earliest first, then those that were named."""
    next_at: int | None = None
    """The earliest ``wake_at`` of the jobs with the wanted targets that nobody owns; ``None`` if there is none."""
    runs: Mapping[UUID, StoredRun] = field(default_factory=dict[UUID, StoredRun])
    """The rows of the runs that were named, as far as the store has them, whoever owns their jobs."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs to read, in the order of submission; those that were deleted are left out."""

    states: frozenset[JobState] | None = None
    tags: frozenset[str] | None = None
    """Jobs with any of these tags."""
    after: int = 0
    """Only jobs with a higher ``seq``."""
    limit: int = 100


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs that have ended to read, the newest first."""

    job_id: UUID | None = None
    outcomes: frozenset[Outcome] | None = None
    since: int | None = None
    """Only those that finished at this time or later."""
    before: int | None = None
    """Only those with a lower ``ended``: the cursor of the page before."""
    limit: int = 100


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCounts:
    """What a store holds."""

    jobs: Mapping[JobState, int]
    """Jobs by state, without those that were deleted. States, here and below, of which there is none may be missing."""
    runs: Mapping[RunState, int]
    """Rows of runs by state."""
    outcomes: Mapping[Outcome, int]
    """Occurrences by outcome since the store was created, also those whose rows were pruned."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNode:
    """Who opens a store."""

    node_id: UUID
    """Made anew at each opening."""
    host: str
    pid: int
    version: str
    """The version of this library."""
    at: int
    inline: bool = False
    """Whether the time of its event loop is virtual: then work in a thread would not hold it back, so that a store does
    its work in the task that calls it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a store says when it is opened."""

    last_seq: int = 0
    """The highest ``seq`` that a job of it ever had."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: Sequence[str] = ()
    """What the user should know: written to the log."""
