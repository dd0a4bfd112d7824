"""`Scheduler`, the handle that users hold: its methods check their arguments and ask the coordinator.

Nothing is decided here. Submissions go through staging, all else goes through the command stream.
"""

import functools
import inspect
import signal
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import (
    Any,
    Concatenate,
    Final,
    Generic,
    NoReturn,
    ParamSpec,
    TypeVar,
    TypeVarTuple,
    Unpack,
    cast,
    final,
    overload,
)
from uuid import UUID

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio import _validation
from turnkeeper_trio._engine import control, queries, updates
from turnkeeper_trio._engine.control import job_id_of
from turnkeeper_trio._engine.engine import BATCH, Decision, Engine, Now, Query, Submission, Wait
from turnkeeper_trio._engine.submission import accept_all, apply_set
from turnkeeper_trio._engine.updates import Call
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import pendulum
from turnkeeper_trio._model.ids import RecurringJobId, RunId, job_id_of_key
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.metrics import MetricsSnapshot
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord, UpcomingRun
from turnkeeper_trio._model.shutdown_report import ShutdownReport
from turnkeeper_trio._model.times import seconds, utc_pendulum
from turnkeeper_trio._runtime.affinity import Affinity
from turnkeeper_trio._runtime.blocks import block
from turnkeeper_trio._runtime.clock import read
from turnkeeper_trio._runtime.commands import Command, CommandQueue, Needs, Reply
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.inbox import Inbox
from turnkeeper_trio._runtime.keeper import StoreKeeper
from turnkeeper_trio._runtime.logs import LOGGER
from turnkeeper_trio._runtime.publisher import EventPublisher, Subscription
from turnkeeper_trio._runtime.run_context import CURRENT_RUN, RunContext, current_run
from turnkeeper_trio._runtime.signals import receive_signals
from turnkeeper_trio.abc import Clock
from turnkeeper_trio.errors import (
    ConfigurationError,
    JobExists,
    JobNotFound,
    RunNotFound,
    SchedulerClosed,
    ShutdownTimeout,
    StagingFull,
    SubmissionRefused,
    TurnKeeperError,
    WouldDeadlock,
)
from turnkeeper_trio.events import Event
from turnkeeper_trio.jobs import JobDetails, JobSet, JobSetChanges, JobSetEntry, JobSummary, RecurringJobRequest
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._misplaced import NoKeyword, misplaced
from turnkeeper_trio.jobs._options import JobChanges
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.jobs.details import table
from turnkeeper_trio.jobs.request import checked_fields
from turnkeeper_trio.policies import CatchUp, OnConflict, Overlap

P = ParamSpec("P")
R = TypeVar("R")
Args = TypeVarTuple("Args")
E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
E4 = TypeVar("E4", bound=Event)

TOGETHER: Final = 100
"""How many runs to come are looked up in one step of the event loop."""


REQUEST: Final = "a RecurringJobRequest(name, schedule)"

Subscribed = AbstractAsyncContextManager[Subscription[E1]]


def _job(job_id: object) -> UUID | str | None:
    return None if job_id is None else _validation.job("job_id", job_id)


def _check_kinds(types: tuple[object, ...]) -> None:
    for kind in types:
        if not (guard.is_a(kind, type) and issubclass(cast("type", kind), Event)):
            message = (
                f"events() takes kinds of events, such as events(RunFinished, RunStarted), not {guard.shown(kind)}"
            )
            raise ConfigurationError(message, parameter="types")


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an open scheduler that the handle uses."""

    engine: Engine
    affinity: Affinity
    clock: Clock
    read: Callable[[], Now]
    coordinator: Coordinator
    staging: Inbox[Submission]
    commands: Inbox[Command]
    command_queue: CommandQueue
    functions: Functions
    new_id: Callable[[], UUID]
    publisher: EventPublisher
    keeper: StoreKeeper | None
    """What carries between the engine and a store; ``None`` without one."""
    definitions: DefinitionCodec | None
    """Writes the definitions of jobs for a durable store; ``None`` without one."""
    shutdown_grace: float | None
    defaults: Defaults


@final
class Scheduler:
    """An open scheduler; `open_scheduler` makes it.

    Its methods may be called from any task of the event loop in which it was opened, also from its jobs. A call from
    another thread or another event loop raises ``RuntimeError`` and changes nothing; `threadsafe` is for other threads.
    ``is_closed`` and ``shutdown_report`` may be read from anywhere. After the block has been left, every method may be
    called from anywhere.

    Each coroutine method is always a checkpoint. If a call is cancelled while it waits for room in the command stream
    (``command_buffer_size``), nothing has changed. If it is cancelled later, the change happens all the same, and only
    the answer is lost. A method whose behaviour is different says so.

    After the scheduler has ended, questions are answered from its final state. What would change something, and what
    would wait, raises `SchedulerClosed`. With a store, so does each question after the block has been left, because the
    store is closed then; before that, those about a single job do.

    An argument of the wrong type, or with a value that makes no sense, raises `ConfigurationError`, whose ``parameter``
    names the argument. Only what should be a function and is none raises ``TypeError``.
    """

    def __init__(self, parts: Parts) -> None:
        self._staged: OrderedDict[UUID, int] = OrderedDict()
        """The ids of jobs with a key that may still be in staging, each with the number of its submission, in order."""
        self._report: ShutdownReport | None = None
        self._parts: Final = parts
        self._rejected = 0
        """How many submissions found staging full."""

    def threadsafe(self) -> "ThreadsafeScheduler":
        """Return the same scheduler for other threads, in which each of its methods blocks until it has an answer.

        ``scheduler.threadsafe().add_job(request, fn)`` submits a job from a thread: that of a plain job, one of a web
        framework, or one that the program started. `threadsafe` itself may be called from anywhere. It does not wait,
        and is no checkpoint.
        """
        return ThreadsafeScheduler(self, self._parts.affinity)

    def __repr__(self) -> str:
        jobs, active = self._parts.engine.ask(queries.sizes)
        return f"<Scheduler {'closed' if self.is_closed else 'open'}, {jobs} jobs, {active} active>"

    # Submit ----------------------------------------------------------------------------------------------

    def register(self, name: str, fn: Callable[..., Any], aliases: Iterable[str] = ()) -> None:
        """Give a function a name, by which jobs can be submitted, and by which stored jobs find the function again.

        Args:
            name: The name; a dotted path such as ``"shop.send_report"`` reads well in logs.
            fn: A coroutine function, or a plain function, which runs in a thread.
            aliases: Names that the function had before. Jobs that were stored with them still find it.

        It does not wait, and is no checkpoint.

        Raises:
            ConfigurationError: another function is registered under one of the names, or a name is blank.
            TypeError: ``fn`` is no function.
        """
        self._parts.affinity.check_thread()
        self._parts.functions.register(name, fn, aliases)

    @overload
    async def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[[*Args], Any],
        *args: *Args,
        kwargs: None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    @overload
    async def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    @overload
    async def add_job(
        self,
        request: RecurringJobRequest,
        fn: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    async def add_job(  # type: ignore[misc]  # mypy finds no implementation wide enough for a TypeVarTuple
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
        **unexpected: NoKeyword,
    ) -> RecurringJobId:
        """Submit a job, and return its id. If staging is full, wait for room in it.

        Args:
            request: When the job runs, and by which rules.
            fn: A coroutine function; a plain function, which runs in a thread; or the name of a registered function.
            *args: Positional arguments of the function.
            kwargs: Keyword arguments of the function.
            on_conflict: What happens if another job, in the books or in staging, has the ``key`` of the request.
            **unexpected: No other keyword is accepted; the error says where it belongs.

        Callers that wait for room are served in the order in which they came. The schedule of the job counts from the
        moment in which the submission got room, not from when the coordinator takes it. All that is asked of the
        scheduler after the return knows the job.

        Always a checkpoint. Cancelled, it has submitted nothing. With a store, it returns when the store has committed
        the job; a cancellation waits for that. Only if the store is unavailable, the call ends without an answer, by
        a cancellation or `StoreUnavailable`, and the job may be accepted later. So give such a job a ``key``: submitted
        again, it is the same job. A restart must be able to bring a job back: its function is registered (`register`),
        or is in a job set that was applied, and its arguments are JSON values (or the ``codec`` of the scheduler writes
        them). The function gets a copy of them.

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            JobExists: the key is taken, and ``on_conflict`` is `OnConflict.RAISE`.
            SubmissionRefused: the store refused the job; the error carries the submission.
            StoreUnavailable: the store did not commit the job within ``store_timeout``.
            TypeError: ``fn`` is no function, for example the coroutine ``f()`` instead of ``f``; or it does not take
                these arguments; or a keyword belongs somewhere else, as ``timeout=3`` to the request.
            ConfigurationError: ``fn`` is a name that is not registered, ``request`` is no request, or ``kwargs`` is no
                mapping of names to values. With a durable store also: it could not keep the function, an argument, the
                schedule or the retry policy; the message says what to write instead.
        """
        if unexpected:
            raise misplaced("Scheduler.add_job", unexpected)
        submission = self._submission(request, fn, args, kwargs, on_conflict)
        reply = submission.token = None if self._parts.keeper is None else Reply(submits=True)
        try:
            await self._parts.staging.put(submission, self._stage)
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        if reply is not None:
            await self._until_committed(reply)
        return RecurringJobId(submission.job_id)  # noqa: ASYNC910  (`put` is a checkpoint)

    async def _until_committed(self, reply: Reply) -> None:
        """Wait until the store has committed a job."""
        parts = self._parts
        assert parts.keeper is not None
        parts.command_queue.expect(reply)
        await parts.keeper.until_committed(reply)

    @overload
    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[[*Args], Any],
        *args: *Args,
        kwargs: None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    @overload
    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    @overload
    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId: ...

    def try_add_job(  # type: ignore[misc]  # mypy finds no implementation wide enough for a TypeVarTuple
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
        **unexpected: NoKeyword,
    ) -> RecurringJobId:
        """Submit a job if staging has room, and return its id.

        The arguments and the errors are those of `add_job`, but it never waits, and is no checkpoint. With a durable
        store, it returns before the store has committed the job: a refusal of the store is not raised.

        Raises:
            StagingFull: staging has no room, so nothing was submitted; the error carries the submission.
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            JobExists: the key is taken, and ``on_conflict`` is `OnConflict.RAISE`. If the job that has it is in a store
                and not in memory, nothing is raised, and nothing is added.
            TypeError: ``fn`` is no function, or does not take these arguments.
            ConfigurationError: as `add_job`.
        """
        if unexpected:
            raise misplaced("Scheduler.try_add_job", unexpected)
        submission = self._submission(request, fn, args, kwargs, on_conflict)
        try:
            self._parts.staging.put_nowait(submission, self._stage)
        except anyio.WouldBlock:
            self._rejected += 1
            size = self._parts.staging.size
            message = f"staging is full ({size} jobs): wait with add_job, or open with a larger staging_buffer_size"
            raise StagingFull(message, request=request, fn=fn, args=args, kwargs=kwargs) from None
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        return RecurringJobId(submission.job_id)

    async def add_jobs(
        self,
        jobs: "Iterable[JobSetEntry | tuple[RecurringJobRequest, Callable[..., Any] | str, *tuple[Any, ...]]]",
        *,
        on_conflict: OnConflict = OnConflict.UPDATE,
        atomic: bool = False,
    ) -> list[RecurringJobId]:
        """Submit many jobs, and return their ids in the same order. If staging is full, wait for room in it.

        The effect is that of `add_job` for each job, at about half of the cost: jobs go to staging in bursts, as many
        as the room allows. All jobs are checked before the first is submitted; while an iterator makes them, the event
        loop goes on, and the call can be cancelled.

        Args:
            jobs: Tuples ``(request, fn, *args)`` of what `add_job` takes; or `JobSetEntry`, which also has ``kwargs``.
            on_conflict: What happens if another job has the ``key`` of a request.
            atomic: Accept all jobs in one step, or none. The event loop does nothing else during that step, which takes
                about 10 µs a job.

        Always a checkpoint, and there is one for each burst. If the call is cancelled or refused in the middle, the
        jobs of earlier bursts stay submitted; with keys, the program can find them, or submit them again. With
        ``atomic``, a call that is cancelled while it waits for room has submitted nothing; cancelled later, it submits
        all the jobs all the same.

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended. Without ``atomic``, jobs of earlier bursts may
                have been submitted.
            JobExists: a key is taken, and ``on_conflict`` is `OnConflict.RAISE`.
            SubmissionRefused: the store refused a job. With ``atomic``, the other jobs are deleted again.
            TypeError: ``fn`` is no function, or does not take the arguments; a note says in which element.
            ConfigurationError: an element is no such tuple, or a value is wrong as for `add_job`; the error, or a note
                of it, says in which element.
        """
        self._parts.affinity.check()
        _validation.flag("atomic", atomic)
        submissions: list[Submission] = []
        # What is there is taken at once, because it may change at a checkpoint. What an iterator makes may never end.
        several = _validation.iterable("jobs", jobs, "tuples (request, fn, *args)")
        for place, job in enumerate(several if guard.is_a(several, Iterator) else tuple(several)):
            if place % BATCH == BATCH - 1:
                await checkpoint()
            submissions.append(self._submission_of(place, job, on_conflict))
        stored = self._parts.keeper is not None
        for submission in submissions if stored else ():
            submission.token = Reply(submits=True)
        if atomic:
            needs = Needs(tuple(each.job_id for each in submissions if each.request.key is not None))
            await self._send(accept_all, (submissions,), {}, changes=True, timed=True, needs=needs)
        else:
            try:
                await self._parts.staging.put_all(submissions, self._stage)
            except anyio.ClosedResourceError:
                self._closed()
        if not submissions:
            await checkpoint()
        if stored:
            await self._wait_for_store(submissions, atomic=atomic)
        return [RecurringJobId(submission.job_id) for submission in submissions]  # noqa: ASYNC910  (`put_all` is a checkpoint)

    def _submission_of(self, place: int, job: object, on_conflict: OnConflict) -> Submission:
        """Return the submission of one of many jobs."""
        if guard.is_a(job, JobSetEntry):
            entry = cast("JobSetEntry", job)
            request, fn, kwargs = entry.request, entry.fn, entry.kwargs
            args = _validation.arguments(f"jobs[{place}].args", entry.args)
        elif guard.is_a(job, tuple) and len(cast("tuple[Any, ...]", job)) > 1:
            request, fn, *rest = cast("tuple[Any, ...]", job)
            args, kwargs = tuple(rest), None
        else:
            shown = "a request without its function" if guard.is_a(job, RecurringJobRequest) else guard.shown(job)
            message = f"jobs[{place}] must be a tuple (request, fn, *args), or a JobSetEntry, not {shown}"
            raise ConfigurationError(message, parameter="jobs")
        try:
            return self._submission(request, fn, args, kwargs, on_conflict)
        except (ConfigurationError, TypeError) as exc:
            exc.add_note(f"in jobs[{place}]")
            raise

    async def _wait_for_store(self, submissions: list[Submission], *, atomic: bool) -> None:  # noqa: ASYNC910  (there may be no job)
        """Wait until the store has committed or refused each job; raise for the first that it refused."""
        refused: dict[UUID, SubmissionRefused | JobExists] = {}
        for submission in submissions:
            self._parts.command_queue.expect(submission.token)
        for submission in submissions:
            try:
                await self._until_committed(submission.token)
            except (SubmissionRefused, JobExists) as exc:
                refused[submission.job_id] = exc
        for submission in submissions if refused and atomic else ():
            if submission.job_id not in refused:
                with suppress(JobNotFound, SchedulerClosed):
                    await self._command(control.delete_job, submission.job_id)
        for error in refused.values():
            raise error

    async def apply(self, job_set: JobSet) -> JobSetChanges:
        """Make the scheduler's jobs what a job set says, for example after the configuration was loaded again.

        Jobs that are new are added. Jobs that differ are updated, as by `Scheduler.update_job`. Jobs that are equal do
        not change. Jobs that came with the last set of the same name, and are not in this one, are deleted. Other jobs
        do not change. A job of the set that was cancelled stays cancelled. One that is finished stays finished while
        its schedule is the same. If a newer version of the set is in force, nothing changes, and a warning is logged.

        With a durable store, each function of the set is registered under ``"<name of the set>/<key of the job>"``. A
        function that was registered by `register` before keeps that name for its jobs.

        Returns:
            The ids of the jobs that were added, updated, left unchanged and removed.

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended.
            TypeError: a function of the set does not take its arguments.
            ConfigurationError: the set names a function that is not registered, or ``job_set`` is no `JobSet`; or a
                durable store could not keep a job, as with `add_job`. A note says which job.
        """
        _validation.instance("job_set", job_set, JobSet, "a JobSet")
        submissions = [self._submission_of_set(job_set, entry) for entry in job_set]
        needs = Needs(tuple(each.job_id for each in submissions), job_sets=(job_set.name,))
        args = (submissions, job_set.name, job_set.version)
        changes: JobSetChanges = await self._send(apply_set, args, {}, changes=True, timed=True, needs=needs)
        if changes.newer_version is not None:
            LOGGER.warning(
                "version %d of the job set %r was not applied, because version %d is in force",
                job_set.version,
                job_set.name,
                changes.newer_version,
            )
        return changes

    def _submission_of_set(self, job_set: JobSet, entry: JobSetEntry) -> Submission:
        """Return the submission of a job of a set. In front of a durable store, its function is registered."""
        fn = entry.fn
        try:
            if self._parts.definitions is not None and not isinstance(fn, str):
                fn = self._parts.functions.register_of_set(f"{job_set.name}/{entry.request.key}", fn)
            named = (job_set.name, job_set.version)
            return self._submission(entry.request, fn, entry.args, entry.kwargs, OnConflict.UPDATE, job_set=named)
        except (ConfigurationError, TypeError) as exc:
            exc.add_note(f"in the job {entry.request.key!r} of the job set {job_set.name!r}")
            raise

    @overload
    def scheduled(
        self,
        request: RecurringJobRequest,
        fn: Callable[[*Args], Any],
        *args: *Args,
        kwargs: None = None,
    ) -> AbstractAsyncContextManager[RecurringJobId]: ...

    @overload
    def scheduled(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None,
    ) -> AbstractAsyncContextManager[RecurringJobId]: ...

    @overload
    def scheduled(
        self,
        request: RecurringJobRequest,
        fn: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> AbstractAsyncContextManager[RecurringJobId]: ...

    @block  # type: ignore[misc]  # mypy finds no implementation wide enough for a TypeVarTuple
    async def scheduled(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        **unexpected: NoKeyword,
    ) -> AsyncGenerator[RecurringJobId]:
        """Have a job for as long as the block lasts: ``async with scheduler.scheduled(request, fn) as job_id:``.

        When the block is left, the job is cancelled, its executing runs are waited for, and it is deleted. If an
        exception or a cancellation passes through the block, or comes during that wait, the runs are cancelled, too.
        The wait for their cleanup is shielded from cancellation.

        Entering and leaving are checkpoints. Entering raises what `add_job` raises. Leaving raises nothing of its own.
        If the scheduler has ended meanwhile, leaving does not wait.

        Raises:
            WouldDeadlock: the caller is a run of the job that has this key: leaving would wait for that run to end.
        """
        if unexpected:
            raise misplaced("Scheduler.scheduled", unexpected)
        _validation.instance("request", request, RecurringJobRequest, REQUEST)
        run = self._own_run()
        if run is not None and request.key is not None and run.job_id == job_id_of_key(request.key):
            raise WouldDeadlock(f"the job {run.name!r} would wait for itself to end when it left the block")
        job_id = await self.add_job(request, fn, *args, kwargs=kwargs)
        removed = False
        try:
            yield job_id
            await self._remove(job_id, cancel_running=False)
            removed = True
        finally:
            if not removed:
                with anyio.CancelScope(shield=True):
                    await self._remove(job_id, cancel_running=True)

    async def _remove(self, job_id: UUID, *, cancel_running: bool) -> None:  # noqa: ASYNC910  (each command is one)
        """Cancel a job, wait for its runs, and delete it. Any part of this may have happened already."""
        with suppress(SchedulerClosed, JobNotFound):
            await self._command(control.cancel_job, job_id, cancel_running=cancel_running, reason="its block was left")
            with suppress(RunNotFound):  # None has begun.
                await self._ask(queries.wait_job, job_id)
            await self._command(control.delete_job, job_id)

    def _submission(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        on_conflict: OnConflict,
        *,
        job_set: tuple[str, int] | None = None,
    ) -> Submission:
        parts = self._parts
        parts.affinity.check()
        if type(request) is not RecurringJobRequest:
            _validation.instance("request", request, RecurringJobRequest, REQUEST)
        if type(on_conflict) is not OnConflict:
            _validation.member("on_conflict", on_conflict, OnConflict)
        named = None if kwargs is None else _validation.keywords("kwargs", kwargs)
        stores = parts.definitions
        target = parts.functions.target(fn) if stores is None else parts.functions.stored_target(fn)
        parts.functions.check(target, args, named)
        request = parts.defaults.complete(request)
        definition = None
        if stores is not None:
            definition, args, named = stores.encode_with_copies(request, target, args, named, job_set)
        job_id = parts.new_id() if request.key is None else job_id_of_key(request.key)
        return Submission(job_id, request, target, args, named or None, on_conflict, definition=definition)

    def _stage(self, submission: Submission) -> None:
        """Set the instant from which the schedule counts, and check the key.

        Called in the step in which the submission is put in staging.
        """
        submission.staged = self._parts.read()
        if submission.request.key is not None:
            self._note_key(submission)

    def _note_key(self, submission: Submission) -> None:
        """Refuse a taken key with `OnConflict.RAISE`; else remember the key as long as it may be in staging.

        Between the check and the entry in staging nothing is awaited, so two submissions cannot both find a key free.
        """
        staging, job_id = self._parts.staging, submission.job_id
        taken = self._staged.get(job_id, 0) > staging.taken or self._parts.engine.is_taken(job_id)
        if taken and submission.on_conflict is OnConflict.RAISE:
            raise JobExists(f"there is a job with the key {submission.request.key!r}", job_id=job_id)
        while self._staged and next(iter(self._staged.values())) <= staging.taken:
            self._staged.popitem(last=False)
        self._staged[job_id] = staging.sent + 1
        self._staged.move_to_end(job_id)

    # Change ----------------------------------------------------------------------------------------------

    async def cancel_job(
        self, job_id: RecurringJobId | str, *, cancel_running: bool = False, reason: str = ""
    ) -> tuple[RunRecord, ...]:
        """Cancel a job: none of its runs starts any more. A second call is no error.

        Its pending occurrence ends cancelled, and so does a run that is due, assigned to a worker, or waiting for a
        retry. A run that is executing goes on, without further retries, unless ``cancel_running`` is true.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.
            cancel_running: Cancel executing runs, too, and wait until their cleanup is done.
            reason: Why; it appears in the records and in the details of the job.

        Returns:
            The records of the runs that the call ended. They say what really happened: a run may have succeeded before
            the cancellation reached it, or failed during its cleanup.

        If the wait for a cleanup is cancelled, the job stays cancelled.

        Raises:
            JobNotFound: there is no such job.
            WouldDeadlock: ``cancel_running`` is true, and the caller is a run of that job.
            SchedulerClosed: the scheduler has ended.
        """
        job = _validation.job("job_id", job_id)
        why = _validation.words("reason", reason)
        if _validation.flag("cancel_running", cancel_running) and self._is_own_job(job):
            self._refuse_inside_job("cancel_job(cancel_running=True)")
        return await self._command(control.cancel_job, job, cancel_running=cancel_running, reason=why)

    async def cancel_run(self, run_id: RunId | str, *, reason: str = "") -> RunRecord:
        """Cancel one run, and wait until its cleanup is done. Its job goes on with its next occurrence.

        A run that is planned, due, assigned to a worker, or waiting never starts, and ends cancelled. If the run is
        executing, its scope is cancelled. A plain function in a thread cannot be cut off: it is waited for, and can ask
        ``anyio.from_thread.check_cancelled()`` or ``current_run().cancel_requested``.

        Args:
            run_id: The id of the run, or its text.
            reason: Why; it appears in the record.

        Returns:
            The record, which says what really happened. A run that has ended already does not change.

        If the wait for the cleanup is cancelled, the run is cancelled all the same.

        Raises:
            RunNotFound: there is no such run, or its record has been forgotten.
            WouldDeadlock: the caller is that run.
            SchedulerClosed: the scheduler has ended.
        """
        run = _validation.run("run_id", run_id)
        why = _validation.words("reason", reason)
        self._refuse_own_run(run)
        return await self._command(control.cancel_run, run, reason=why)

    async def delete_job(self, job_id: RecurringJobId | str) -> None:
        """Cancel a job and forget it, together with its history. A run that is executing goes on.

        If a new job takes the key while that run is executing, the run counts as one of the new job in its rule for
        overlap.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.

        Raises:
            JobNotFound: there is no such job.
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.delete_job, _validation.job("job_id", job_id))

    async def skip_next_run(self, job_id: RecurringJobId | str) -> RunRecord | None:
        """Skip the pending occurrence of a job, and plan the one after it.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.

        Returns:
            The record of the skipped occurrence; ``None`` if none is pending.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        return await self._command(control.skip_next_run, _validation.job("job_id", job_id))

    async def update_job(
        self,
        job_id: RecurringJobId | str,
        *,
        if_version: int | None = None,
        fn: Callable[..., Any] | str | None = None,
        args: tuple[Any, ...] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **changes: Unpack[JobChanges],
    ) -> int:
        """Change a job in place: any field of its request but the key, its function, its arguments.

        If the schedule and the initial run time do not change, the instants of the job and its pending occurrence stay
        as they are. Otherwise the schedule counts from now, and the pending occurrence ends superseded. The history
        stays in any case. An executing run goes on, and ends by the new rules. A paused job stays paused. A halted job
        goes on if its schedule changes.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.
            if_version: Change the job only if this is its version (`JobDetails.version`).
            fn: The new function.
            args: The new positional arguments.
            kwargs: The new keyword arguments.
            **changes: Fields of `RecurringJobRequest`, such as ``schedule=Interval(minutes=5)``; not the key.

        Returns:
            The version of the job after the call.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            VersionConflict: the job has another version.
            ConfigurationError: a value is wrong, there is no such field, or ``fn`` is a name that is not registered; or
                a durable store could not keep it, as with `add_job`.
            TypeError: ``fn`` is no function, or the function does not take the arguments that the job would have.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        job = _validation.job("job_id", job_id)
        version = None if if_version is None else _validation.integer("if_version", if_version)
        if "key" in changes:
            raise ConfigurationError("the key of a job cannot be changed: it names the job", parameter="key")
        stores, functions = self._parts.definitions, self._parts.functions
        call = Call(
            target=None if fn is None else functions.target(fn) if stores is None else functions.stored_target(fn),
            args=None if args is None else _validation.arguments("args", args),
            kwargs=None if kwargs is None else _validation.keywords("kwargs", kwargs),
        )
        checked = checked_fields(changes)
        if not (call.target is None and call.args is None and call.kwargs is None):
            self._check_call(await self._current_call(job), call)
        if stores is not None:
            call = self._stored(stores, call, checked)
        return await self._command(updates.update_job, job, if_version=version, call=call, changes=checked)

    def _stored(self, stores: DefinitionCodec, call: Call, changes: Mapping[str, Any]) -> Call:
        """Return a change of a call with the text for a durable store, and with the arguments that this text holds."""
        written = stores.changes(changes, call.target, call.args, call.kwargs)
        args, kwargs = stores.arguments_of(written)
        return Call(target=call.target, args=args, kwargs=kwargs, definition=written)

    async def _current_call(self, job: UUID | str) -> Call:  # noqa: ASYNC910  (without a store there is no need to wait)
        """Return what a job calls; an empty `Call` if there is no such job or if it has ended."""
        if self._parts.keeper is None:
            return self._parts.engine.ask(queries.current_call, job)  # noqa: ASYNC910  (without a store there is no need to wait)
        with suppress(JobNotFound):
            return await self._ask(queries.call_of, job)
        return Call()  # noqa: ASYNC910  (without a store there is no need to wait)

    def _check_call(self, known: Call, call: Call) -> None:
        """Refuse arguments that the function does not take. What does not change is as it is ``known``."""
        target, args, kwargs = call.target, call.args, call.kwargs
        target = known.target if target is None else target
        args = known.args if args is None else args
        kwargs = known.kwargs if kwargs is None else kwargs
        if target is not None and args is not None:
            self._parts.functions.check(target, args, kwargs)

    async def pause_job(self, job_id: RecurringJobId | str, *, note: str = "") -> None:
        """Pause a job: none of its runs is planned or begun until it is resumed. A second call only changes the note.

        An executing run goes on. The pending occurrence, and a run that has not begun, end cancelled. If the occurrence
        was pending, or its run was waiting for a worker, the resume plans it again, by the rule for catch-up if its
        instant has passed by then. A run that waits for its retry waits on until the resume. A paused job can be
        triggered by hand, and a run that was triggered by hand before the pause is not cancelled.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.
            note: Why; it appears in the details of the job.

        Raises:
            JobNotFound: there is no such job.
            JobHalted: the job is halted.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        await self._command(control.pause_job, _validation.job("job_id", job_id), note=_validation.words("note", note))

    async def resume_job(self, job_id: RecurringJobId | str, *, missed: CatchUp | None = None) -> None:
        """Resume a paused or a halted job. A job that is neither does not change.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.
            missed: What happens to the occurrences whose instants passed while the job was paused; ``None`` for what
                its request says (``catch_up``). What passed while a job was halted is not caught up.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        job = _validation.job("job_id", job_id)
        missed = None if missed is None else _validation.member("missed", missed, CatchUp)
        await self._command(control.resume_job, job, missed=missed)

    async def pause_all(self, *, note: str = "") -> None:
        """Begin no further run of any job until `resume_all`. Executing runs go on. Jobs keep their own state.

        Occurrences whose instants pass meanwhile are caught up at the resume, each by the rule of its job.

        Args:
            note: Why; it appears in the event.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.pause_all, "all", note=_validation.words("note", note), wait=False)

    async def resume_all(self) -> None:
        """End the pause of `pause_all`. If a block of `paused` is open, the pause lasts until it is left.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.resume_all, "all")

    @block
    async def paused(self, *, note: str = "", wait: bool = True) -> AsyncGenerator[None]:
        """Pause all jobs for as long as the block lasts: ``async with scheduler.paused():``.

        It pauses as `pause_all` does. Blocks may overlap: jobs go on when the last is left.

        Args:
            note: Why; it appears in the event.
            wait: Enter the block only when no run is executing.

        Entering is a checkpoint. Cancelled while it enters, it leaves nothing paused. Leaving is a checkpoint, too, but
        shielded from cancellation.

        Raises:
            WouldDeadlock: ``wait`` is true, and the caller is a job.
            SchedulerClosed: the scheduler has ended.
        """
        why = _validation.words("note", note)
        if _validation.flag("wait", wait):
            self._refuse_inside_job("paused()")
        who = object()
        try:
            await self._command(control.pause_all, who, note=why, wait=wait)
            yield
        finally:
            with anyio.CancelScope(shield=True), suppress(SchedulerClosed):
                await self._command(control.resume_all, who)

    async def trigger_job_now(self, job_id: RecurringJobId | str, *, overlap: Overlap | None = None) -> RunId:
        """Begin an extra run of a job, as soon as a worker is free. Its pending occurrence does not change.

        Args:
            job_id: The id of the job, the text of its id, or the job's key. The job may be paused.
            overlap: What happens if a run of the job is active; ``None`` for what its request says.

        Returns:
            The id of the run. `Scheduler.wait_run` waits for the end of the run.

        Raises:
            JobNotFound: there is no such job.
            JobActive: a run of the job waits for a worker or executes, and the overlap policy would skip the extra run;
                ``run_id`` names the run in the way. A run that waits for its retry is not in the way: it ends, failed,
                as it does when the next occurrence comes.
            JobHalted: the job is halted.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        job = _validation.job("job_id", job_id)
        overlap = None if overlap is None else _validation.member("overlap", overlap, Overlap)
        return await self._command(control.trigger_job, job, overlap=overlap)

    # Wait ------------------------------------------------------------------------------------------------

    async def wait_run(self, run_id: RunId | str) -> RunRecord:
        """Wait until a run has ended, and return its record.

        Args:
            run_id: The id of the run, or its text.

        Cancelled, it changes nothing.

        Raises:
            RunNotFound: there is no such run, or its record has been forgotten.
            ConfigurationError: ``run_id`` is no id.
            WouldDeadlock: the caller is that run; or it is any job, and ``max_workers`` is 1.
            SchedulerClosed: the scheduler ended first.
        """
        run = _validation.run("run_id", run_id)
        self._refuse_own_run(run)
        self._refuse_only_worker("wait_run()")
        return await self._ask(queries.wait_run, run)

    async def wait_job(self, job_id: RecurringJobId | str) -> RunRecord:
        """Wait until no further run of a job will come, and return the record of its last run.

        No further run will come when the job is cancelled, finished or halted, and its last run has ended. A job that
        only runs by hand is waited for while a run of it is active.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.

        Returns:
            The record of the last run that began.

        Cancelled, it changes nothing.

        Raises:
            JobNotFound: there is no such job.
            RunNotFound: no run of the job has begun, and none will come, for example because the job was cancelled
                before its first run. The message says why.
            WouldDeadlock: the caller is a run of that job; or it is any job, and ``max_workers`` is 1.
            ConfigurationError: ``job_id`` is neither an id nor a key.
            SchedulerClosed: the scheduler ended first.
        """
        job = _validation.job("job_id", job_id)
        self._refuse_own_job(job)
        self._refuse_only_worker("wait_job()")
        return await self._ask(queries.wait_job, job)

    async def wait_idle(self, *, due_only: bool = False) -> None:
        """Wait until no run is active and no occurrence is planned.

        Args:
            due_only: Wait only until no run is active and no occurrence is due. If a job recurs for ever, the wait ends
                only with ``due_only=True``.

        Cancelled, it changes nothing.

        Raises:
            WouldDeadlock: the caller is a job.
            ConfigurationError: ``due_only`` is not a bool.
            SchedulerClosed: the scheduler ended first.
        """
        _validation.flag("due_only", due_only)
        self._refuse_inside_job("wait_idle()")
        await self._ask(queries.wait_idle, due_only=due_only)

    # Ask -------------------------------------------------------------------------------------------------

    async def get_job_details(self, job_id: RecurringJobId | str) -> JobDetails:
        """Return the details of a job.

        Args:
            job_id: The id of the job, the text of its id, or the job's key.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: ``job_id`` is neither an id nor a key.
        """
        return await self._ask_now(queries.job_details, _validation.job("job_id", job_id))

    async def list_all_jobs(
        self,
        *,
        states: Collection[JobState] | None = None,
        tags: Collection[str] | None = None,
        after: RecurringJobId | str | None = None,
        limit: int = 1000,
    ) -> list[JobSummary]:
        """Return the jobs in the order of their submission, with those that ended and are remembered.

        Args:
            states: Only jobs in one of these states.
            tags: Only jobs with at least one of these tags.
            after: Only jobs that were submitted after this one (an id, its text, or a key); for the next page, the last
                job of the page before.
            limit: How many jobs at most.

        Raises:
            JobNotFound: there is no job ``after``.
            ConfigurationError: an argument makes no sense, for example a ``limit`` that is not a positive integer.
        """
        checked_states = None if states is None else _validation.members("states", states, JobState)
        checked_tags = None if tags is None else _validation.texts("tags", tags, "['nightly']")
        behind = None if after is None else _validation.job("after", after)
        most = _validation.integer("limit", limit, least=1)
        if self._parts.keeper is not None:
            seq = await self._ask(queries.position, behind)
            return await self._parts.keeper.list_jobs(checked_states, checked_tags, seq, most)
        return await self._ask_now(
            queries.list_jobs, states=checked_states, tags=checked_tags, after=behind, limit=most
        )

    async def print_jobs(
        self, *, states: Collection[JobState] | None = None, tags: Collection[str] | None = None, file: Any = None
    ) -> None:
        """Print a line for each job, in the order of submission: name, state, next run, number of active runs.

        Args:
            states: Only jobs in one of these states.
            tags: Only jobs with at least one of these tags.
            file: Where to print; standard output by default.

        Always a checkpoint. It prints all lines in one step, so a slow terminal blocks the event loop.

        Raises:
            ConfigurationError: an argument makes no sense.
        """
        found: list[JobSummary] = []
        while page := await self.list_all_jobs(states=states, tags=tags, after=found[-1].job_id if found else None):
            found += page
        print(table(found), file=file)

    async def list_active_runs(self, job_id: RecurringJobId | str | None = None) -> list[ActiveRun]:
        """Return the runs that are due and have not ended, in the order in which they became due.

        Args:
            job_id: Only runs of this job: its id, the text of its id, or its key.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: ``job_id`` is neither an id nor a key.
        """
        return await self._ask_now(queries.list_active, job_id=_job(job_id))

    async def get_run_history(
        self,
        job_id: RecurringJobId | str | None = None,
        *,
        since: datetime | None = None,
        outcomes: Collection[Outcome] | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """Return the records of runs that ended, and of occurrences that did not run, the newest first.

        Args:
            job_id: Only records of this job: its id, the text of its id, or its key.
            since: Only records of what ended at or after this instant.
            outcomes: Only records with one of these outcomes.
            limit: How many records at most.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: an argument makes no sense, for example a ``since`` without a timezone.
        """
        job, most = _job(job_id), _validation.integer("limit", limit, least=1)
        since_us = None if since is None else _validation.instant("since", since)
        wanted = None if outcomes is None else _validation.members("outcomes", outcomes, Outcome)
        if self._parts.keeper is not None:
            found = await self._ask(queries.found_id, job)
            return await self._parts.keeper.history(found, since_us, wanted, most)
        return await self._ask_now(queries.run_history, job_id=job, since=since_us, outcomes=wanted, limit=most)

    async def upcoming_runs(self, *, until: datetime | None = None, limit: int = 100) -> list[UpcomingRun]:
        """Return what will run next, of all jobs: occurrences and retries, in the order of their instants.

        These are the planned occurrences, without jitter, and those that follow by the schedules if nothing changes. A
        fixed delay counts from the end of a run, so for such a job only the planned occurrence is known. A retry (or
        the end of a snooze) has an ``attempt`` above 1. A retry that comes after the next occurrence of its job is not
        in the list if that occurrence will supersede it.

        Args:
            until: Only up to this instant.
            limit: How many at most.

        Raises:
            ConfigurationError: ``until`` has no timezone, or ``limit`` is not a positive integer.
        """
        until_us = None if until is None else _validation.instant("until", until)
        most = _validation.integer("limit", limit, least=1)
        found: list[UpcomingRun] = []
        keeper = self._parts.keeper
        others = [] if keeper is None else await keeper.upcoming(most)
        for run in await self._ask_now(queries.upcoming_runs, until=until_us, limit=most, others=others):
            found.append(run)
            if not len(found) % TOGETHER:
                await checkpoint()  # The schedules are asked here, and not in the coordinator: it may be for millions.
        return found

    @overload
    def events(self, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024) -> Subscribed[Event]: ...

    @overload
    def events(
        self, first: type[E1], /, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[E1]: ...

    @overload
    def events(
        self, first: type[E1], second: type[E2], /, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[E1 | E2]: ...

    @overload
    def events(
        self,
        first: type[E1],
        second: type[E2],
        third: type[E3],
        /,
        *,
        job_id: RecurringJobId | str | None = None,
        buffer: int = 1024,
    ) -> Subscribed[E1 | E2 | E3]: ...

    @overload
    def events(
        self,
        first: type[E1],
        second: type[E2],
        third: type[E3],
        fourth: type[E4],
        /,
        *,
        job_id: RecurringJobId | str | None = None,
        buffer: int = 1024,
    ) -> Subscribed[E1 | E2 | E3 | E4]: ...

    @overload
    def events(
        self, *types: type[Event], job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[Event]: ...

    def events(
        self, *types: type[Event], job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[Any]:
        """Subscribe to events: ``async with scheduler.events(RunFinished) as events:``, then ``async for``.

        The subscription begins when the block is entered. So a program that subscribes first, and then lists what there
        is, misses nothing. The scheduler never waits for a subscriber: while ``buffer`` events wait for it, it misses
        further ones. Where the gap is, a `Lagged` says how many it missed. The iteration ends after `SchedulerStopped`,
        which each subscriber gets.

        Args:
            *types: Kinds of events; none for all. `Lagged` and `SchedulerStopped` come in any case. Name them, too, if
                the type of the iterated events is to include them.
            job_id: Only events of this job: its id, the text of its id, or its key.
            buffer: How many events may wait for the subscriber.

        Entering is a checkpoint. To leave the block, or to close the iterator (by its ``aclose`` or
        ``contextlib.aclosing``), ends this subscription and nothing else. After a ``break`` it stays open until then.
        One subscription serves one task.

        Raises:
            ConfigurationError: an argument is no kind of event (write ``events(RunFinished, RunStarted)``, without a
                list), ``job_id`` is neither an id nor a key, or ``buffer`` is not a positive integer.
            SchedulerClosed: the scheduler has ended.
        """
        _check_kinds(types)
        return self._subscribed(types, _job(job_id), _validation.integer("buffer", buffer, least=1))

    @block
    async def _subscribed(
        self, types: tuple[type[Event], ...], job: UUID | str | None, places: int
    ) -> AsyncGenerator[Subscription[Event]]:
        parts = self._parts
        parts.affinity.check()
        await checkpoint()
        if parts.coordinator.ended.is_set():
            self._closed()
        only = None if job is None else parts.engine.ask(job_id_of, job)
        if parts.keeper is not None and isinstance(job, str) and _validation.parsed_id(job) is not None:
            with suppress(JobNotFound):  # The text may also be a key, of a job that is in the store only.
                only = await self._ask(queries.found_id, job)
        subscription: Subscription[Event] = Subscription(
            types, only, places, check=parts.affinity.check, on_close=parts.publisher.unsubscribe
        )
        parts.publisher.subscribe(subscription)
        try:
            yield subscription
        finally:
            subscription.close()

    def get_metrics_snapshot(self) -> MetricsSnapshot:
        """Return the counters and gauges as they are now, also after the end.

        It does not wait, and is no checkpoint.
        """
        parts = self._parts
        parts.affinity.check_thread()
        return parts.engine.metrics(
            staged=len(parts.staging),
            staged_total=parts.staging.sent - parts.staging.withdrawn,
            rejected_total=self._rejected,
        )

    def now(self) -> "pendulum.DateTime":
        """Return the scheduler's wall time, in UTC: real, or virtual in a test.

        It does not wait, and is no checkpoint.

        Raises:
            RuntimeError: the caller is in another thread; or the clock is virtual, and no event loop runs.
        """
        self._parts.affinity.check_thread()
        return utc_pendulum(self._parts.clock.wall())

    # End -------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the scheduler is shutting down or has ended, and so accepts nothing new."""
        return self._parts.coordinator.closing

    @property
    def shutdown_report(self) -> ShutdownReport | None:
        """What the shutdown did, also after the block; ``None`` before the shutdown is complete."""
        if self._report is None and self._parts.coordinator.ended.is_set():
            self._report = self._parts.engine.shutdown_report(self._parts.coordinator.last_turn)
        return self._report

    def stop(self, *, force: bool = False) -> None:
        """Begin a shutdown, and do not wait for it. A job may call it, unlike the shutdowns that wait.

        From the call on nothing new is accepted. Runs end as by `shutdown_graceful`, or with ``force`` as by
        `shutdown_force`, which cuts off the calling job, too. `run_until_signal`, and calls that wait for a shutdown,
        return when the shutdown is complete. The body of the block is not cancelled. All calls share one shutdown:
        later ones can only turn a graceful one into a forced one.

        It does not wait, and is no checkpoint.

        Args:
            force: Cut off executing runs.

        Raises:
            ConfigurationError: ``force`` is not a bool.
        """
        self._parts.affinity.check()
        forced = _validation.flag("force", force)
        if not self._parts.coordinator.ended.is_set():
            self._parts.coordinator.close(forced=forced)

    async def shutdown_graceful(self, timeout: float | timedelta | None = None) -> ShutdownReport:  # noqa: ASYNC109  (what executes goes on)
        """Shut down, wait until the executing runs have ended, and return the report.

        From the call on nothing new is accepted. Submissions in staging enter the books. A run that is due and has not
        begun never starts. A run that waits for its retry ends interrupted. Occurrences of later instants stay unrun.
        With a store neither ends: the store keeps them, and they go on when a scheduler is opened with it again. The
        report counts them (`ShutdownReport.handed_back`).

        Args:
            timeout: How long to wait for executing runs, in seconds or as a ``timedelta``; ``None`` or ``math.inf`` for
                as long as they take. With 0 the call waits for no run.

        Always a checkpoint. If the call is cancelled or times out, the shutdown goes on: a further call waits again, or
        forces it. After the end, the call returns the report again.

        Raises:
            ShutdownTimeout: at the timeout runs are still executing, or a store has not committed; ``report`` names the
                runs.
            WouldDeadlock: the caller is a job.
            ConfigurationError: ``timeout`` is negative, or no duration.
        """
        return await self._shut_down("shutdown_graceful()", timeout, forced=False)

    async def shutdown_force(self, timeout: float | timedelta | None = None) -> ShutdownReport:  # noqa: ASYNC109  (what executes goes on)
        """Shut down, cancel every executing run, wait until their cleanup is done, and return the report.

        As `shutdown_graceful`, except that executing runs are cut off at once, and end interrupted. With a store they
        go on as ``on_crash`` says when a scheduler is opened with it again. A plain function in a thread cannot be cut
        off. It is waited for, and ends early only if it asks ``anyio.from_thread.check_cancelled()`` or
        ``current_run().cancel_requested``.

        Args:
            timeout: How long to wait for the cleanup, in seconds or as a ``timedelta``; ``None`` or ``math.inf`` for as
                long as it takes. With 0 the call waits for no run.

        Always a checkpoint. If the call is cancelled or times out, the shutdown goes on.

        Raises:
            ShutdownTimeout: at the timeout runs are still in their cleanup, or a store has not committed; ``report``
                names the runs.
            WouldDeadlock: the caller is a job.
            ConfigurationError: ``timeout`` is negative, or no duration.
        """
        return await self._shut_down("shutdown_force()", timeout, forced=True)

    async def _shut_down(self, what: str, timeout: float | timedelta | None, *, forced: bool) -> ShutdownReport:  # noqa: ASYNC109  (what executes goes on)
        self._refuse_inside_job(what)
        limit = _validation.limit("timeout", timeout)
        await checkpoint()
        coordinator = self._parts.coordinator
        coordinator.close(forced=forced)
        with anyio.move_on_after(None if limit is None else seconds(limit)):
            await coordinator.ended.wait()
        # The timeout limits the wait for runs and for a store. The few turns that a shutdown takes are not limited.
        while not (coordinator.ended.is_set() or coordinator.held_up):  # noqa: ASYNC110  (a turn sets no event)
            await checkpoint()
        report = self.shutdown_report
        if report is None:
            so_far = self._parts.engine.shutdown_report(read(self._parts.clock))
            names = ", ".join(f"{run.name} ({run.phase})" for run in so_far.still_running)
            raise ShutdownTimeout(f"the shutdown still waits for {names or 'a store'}", report=so_far)
        return report

    async def run_until_signal(self, *signals: signal.Signals) -> ShutdownReport:
        """Wait until a signal comes, then shut down, and return the report.

        The first signal begins a graceful shutdown. It is forced after ``shutdown_grace`` (see `open_scheduler`), or by
        a second signal. The call also returns when the scheduler is shut down in another way.

        Args:
            *signals: The signals; ``SIGINT`` and ``SIGTERM`` if none is given.

        Always a checkpoint. Cancelled, it does not shut down by itself. However it ends, the signals are handled as
        before again (except by a handler that was given to ``add_signal_handler`` of uvloop, which cannot be read).

        Returns:
            The report of the shutdown.

        Raises:
            RuntimeError: signals cannot be received: the caller is not in the main thread, or the event loop has no
                signals, as on Windows. Something else has to call `stop` there.
            WouldDeadlock: the caller is a job.
        """
        self._refuse_inside_job("run_until_signal()")
        coordinator = self._parts.coordinator
        interrupted: KeyboardInterrupt | None = None
        with receive_signals(signals or (signal.SIGINT, signal.SIGTERM)) as stream:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._shut_down_at_signals, stream)
                try:
                    await coordinator.ended.wait()
                except KeyboardInterrupt as exc:
                    # On trio, a Ctrl-C where SIGINT is not among the signals. The task group would put it in a group.
                    interrupted = exc
                tasks.cancel_scope.cancel()
        if interrupted is not None:
            raise interrupted
        report = self.shutdown_report
        assert report is not None
        return report

    async def _shut_down_at_signals(self, stream: AsyncIterator[signal.Signals]) -> None:
        coordinator = self._parts.coordinator
        await anext(stream)
        coordinator.close(forced=False)
        with anyio.move_on_after(self._parts.shutdown_grace):
            await anext(stream)
        coordinator.close(forced=True)
        # Further signals have no effect, because they would cut the cleanup short. They are read all the same: unread
        # ones would be delivered again when the receiver closes.
        async for _ in stream:
            pass

    # The way to the coordinator --------------------------------------------------------------------------

    async def _ask(self, query: "Query[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask a question that needs no time. After the end it is answered from the final state."""
        answer: R = await self._send(query, args, kwargs, changes=False, timed=False)
        return answer

    async def _ask_now(
        self, query: "Decision[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Ask a question that needs the time. After the end it is answered as of the last turn."""
        answer: R = await self._send(query, args, kwargs, changes=False, timed=True)
        return answer

    async def _command(
        self, decide: "Decision[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Ask for a decision that changes something. After the end it is refused."""
        answer: R = await self._send(decide, args, kwargs, changes=True, timed=True)
        return answer

    async def _send(
        self,
        decide: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        changes: bool,
        timed: bool,
        needs: Needs | None = None,
    ) -> Any:
        parts = self._parts
        parts.affinity.check()
        reply = Reply()
        command = Command(decide, args, kwargs, reply=reply, after=parts.staging.sent, changes=changes, timed=timed)
        command.needs = needs
        await parts.commands.approach()
        try:
            if parts.commands.full:
                await parts.commands.put(command)
            # If several come together, one turn for all of them costs less than a turn for each.
            elif parts.commands.approaching or not parts.coordinator.run_at_once(command):
                parts.commands.put_nowait(command)
        except anyio.ClosedResourceError:
            await checkpoint()
            reply.answer(parts.command_queue.answer_after_end(command, parts.coordinator.last_turn))
        return await reply.get()

    def _own_run(self) -> RunContext | None:
        """Return the run of this scheduler that the calling code belongs to, if that is still executing."""
        self._parts.affinity.check()
        run = CURRENT_RUN.get(None)
        return run if run is not None and run.host is self and run.executing else None

    def _refuse_inside_job(self, what: str) -> None:
        run = self._own_run()
        if run is not None:
            raise WouldDeadlock(
                f"{what} was called from inside the job {run.name!r}, and would wait for that job to end"
            )

    def _refuse_own_run(self, run_id: UUID) -> None:
        run = self._own_run()
        if run is not None and run.run_id == run_id:
            raise WouldDeadlock(f"the job {run.name!r} would wait for its own run to end")

    def _is_own_job(self, job: UUID | str) -> bool:
        run = self._own_run()
        return run is not None and run.job_id == self._parts.engine.ask(job_id_of, job)

    def _refuse_own_job(self, job: UUID | str) -> None:
        if self._is_own_job(job):
            raise WouldDeadlock(f"the job {current_run().name!r} would wait for itself to end")

    def _refuse_only_worker(self, what: str) -> None:
        """Refuse a wait for another run inside of a job that has the only worker: it would never end."""
        run = self._own_run()
        if run is not None and self._parts.engine.only_worker:
            raise WouldDeadlock(f"{what} was called from inside the job {run.name!r}, which holds the only worker")

    def _closed(self, **submission: Any) -> NoReturn:
        raise SchedulerClosed("the scheduler is shutting down or has ended: it takes nothing new", **submission)


H = TypeVar("H", bound=Scheduler)


class Blocking(Generic[P, R]):
    """Makes a plain method of `ThreadsafeScheduler` from a coroutine method of `Scheduler`."""

    def __init__(self, method: Callable[Concatenate[H, P], Coroutine[Any, Any, R]]) -> None:
        self._method = cast("Callable[..., Coroutine[Any, Any, R]]", method)
        self.__doc__ = inspect.getdoc(method)

    @overload
    def __get__(self, facade: None, owner: type[object]) -> "Blocking[P, R]": ...

    @overload
    def __get__(self, facade: "ThreadsafeScheduler", owner: type[object]) -> Callable[P, R]: ...

    def __get__(self, facade: "ThreadsafeScheduler | None", owner: type[object]) -> "Blocking[P, R] | Callable[P, R]":
        """Bind the method to a scheduler, as a function is bound."""
        if facade is None:
            return self
        method = self._method

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return facade._call(method, args, kwargs)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (its own)

        return call


@final
class ThreadsafeScheduler:
    """A scheduler for other threads; `Scheduler.threadsafe` makes it.

    Its methods have the names and the arguments of those of `Scheduler`, and return and raise the same. But they are
    plain functions, which block the calling thread until they have an answer. There always is one: when the scheduler
    ends, each call that still waits raises `SchedulerClosed`, and the block of `open_scheduler` is not left before.

    In a thread that anyio started, such as that of a plain job, a cancellation of the task that waits for the thread
    also cancels the call. In other threads nothing cancels it. In a thread with an event loop each method raises
    ``RuntimeError``, because it would block the loop. After the block has been left, each method raises
    `SchedulerClosed`; the methods of `Scheduler` may be called from any thread then.

    `Scheduler.scheduled`, `Scheduler.paused` and `Scheduler.events`, which wait in a block of their own, and
    `Scheduler.register` and `Scheduler.run_until_signal` have no counterpart here.
    """

    def __init__(self, scheduler: Scheduler, affinity: Affinity) -> None:
        self._scheduler = scheduler
        self._affinity = affinity

    def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
        **unexpected: NoKeyword,
    ) -> RecurringJobId:
        """Submit a job, as `Scheduler.add_job` does; if staging is full, wait for room in it."""
        if unexpected:
            raise misplaced("ThreadsafeScheduler.add_job", unexpected)
        return self._call(Scheduler.add_job, (request, fn, *args), {"kwargs": kwargs, "on_conflict": on_conflict})

    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
        **unexpected: NoKeyword,
    ) -> RecurringJobId:
        """Submit a job if staging has room, as `Scheduler.try_add_job` does; it waits only for the event loop."""
        if unexpected:
            raise misplaced("ThreadsafeScheduler.try_add_job", unexpected)
        options = {"kwargs": kwargs, "on_conflict": on_conflict}
        return self._call_soon(Scheduler.try_add_job, (request, fn, *args), options)

    add_jobs: Final = Blocking(Scheduler.add_jobs)
    apply: Final = Blocking(Scheduler.apply)

    cancel_job: Final = Blocking(Scheduler.cancel_job)
    cancel_run: Final = Blocking(Scheduler.cancel_run)
    delete_job: Final = Blocking(Scheduler.delete_job)
    skip_next_run: Final = Blocking(Scheduler.skip_next_run)
    update_job: Final = Blocking(Scheduler.update_job)
    pause_job: Final = Blocking(Scheduler.pause_job)
    resume_job: Final = Blocking(Scheduler.resume_job)
    pause_all: Final = Blocking(Scheduler.pause_all)
    resume_all: Final = Blocking(Scheduler.resume_all)
    trigger_job_now: Final = Blocking(Scheduler.trigger_job_now)

    wait_run: Final = Blocking(Scheduler.wait_run)
    wait_job: Final = Blocking(Scheduler.wait_job)
    wait_idle: Final = Blocking(Scheduler.wait_idle)

    get_job_details: Final = Blocking(Scheduler.get_job_details)
    list_all_jobs: Final = Blocking(Scheduler.list_all_jobs)
    print_jobs: Final = Blocking(Scheduler.print_jobs)
    list_active_runs: Final = Blocking(Scheduler.list_active_runs)
    get_run_history: Final = Blocking(Scheduler.get_run_history)
    upcoming_runs: Final = Blocking(Scheduler.upcoming_runs)

    shutdown_graceful: Final = Blocking(Scheduler.shutdown_graceful)
    shutdown_force: Final = Blocking(Scheduler.shutdown_force)

    def get_metrics_snapshot(self) -> MetricsSnapshot:
        """Return the counters and gauges, as `Scheduler.get_metrics_snapshot` does."""
        return self._call_soon(Scheduler.get_metrics_snapshot, (), {})

    def now(self) -> "pendulum.DateTime":
        """Return the scheduler's wall time, as `Scheduler.now` does."""
        return self._call_soon(Scheduler.now, (), {})

    def stop(self, *, force: bool = False) -> None:
        """Begin a shutdown, and do not wait for it, as `Scheduler.stop` does."""
        self._call_soon(Scheduler.stop, (), {"force": force})

    def _call(self, method: Callable[..., Coroutine[Any, Any, R]], args: tuple[Any, ...], kwargs: Any) -> R:
        return self._affinity.call(functools.partial(method, self._scheduler, *args, **kwargs))

    def _call_soon(self, method: Callable[..., R], args: tuple[Any, ...], kwargs: Any) -> R:
        async def answer() -> R:  # noqa: ASYNC124  (it is awaited in the loop)
            return method(self._scheduler, *args, **kwargs)  # noqa: ASYNC910  (what it calls does not wait)

        return self._affinity.call(answer)


def current_scheduler() -> Scheduler:
    """Return the scheduler that runs the calling code.

    Raises:
        RuntimeError: the calling code belongs to no run.
    """
    run = CURRENT_RUN.get(None)
    if run is None:
        raise RuntimeError("current_scheduler() was called outside of a job")
    assert isinstance(run.host, Scheduler)
    return run.host


set_public_path(Scheduler, ThreadsafeScheduler, current_scheduler)
