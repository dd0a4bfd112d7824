"""The handle that users hold: one class, whose methods check what they are given and ask the coordinator.

Nothing is decided here. Submissions go through staging, everything else through the command stream.
"""

import functools
import inspect
import signal
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
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
import pendulum
from anyio.lowlevel import checkpoint

from turnkeeper_trio import _validation
from turnkeeper_trio._engine import control, queries, updates
from turnkeeper_trio._engine.control import job_id_of
from turnkeeper_trio._engine.engine import Decision, Engine, Now, Query, Submission, Wait
from turnkeeper_trio._engine.submission import apply_set
from turnkeeper_trio._engine.updates import Call
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import RecurringJobId, RunId, job_id_of_key
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.metrics import MetricsSnapshot
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord, UpcomingRun
from turnkeeper_trio._model.shutdown_report import ShutdownReport
from turnkeeper_trio._model.times import seconds, utc_pendulum
from turnkeeper_trio._runtime.affinity import Affinity
from turnkeeper_trio._runtime.clock import read
from turnkeeper_trio._runtime.commands import Command, CommandQueue, Reply
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.inbox import Inbox
from turnkeeper_trio._runtime.publisher import EventPublisher, Subscription
from turnkeeper_trio._runtime.run_context import CURRENT_RUN, RunContext, current_run
from turnkeeper_trio._runtime.signals import received
from turnkeeper_trio.abc import Clock, Store
from turnkeeper_trio.errors import (
    ConfigurationError,
    JobExists,
    JobNotFound,
    RunNotFound,
    SchedulerClosed,
    ShutdownTimeout,
    StagingFull,
    TurnKeeperError,
    WouldDeadlock,
)
from turnkeeper_trio.events import Event
from turnkeeper_trio.jobs import JobDetails, JobSet, JobSetChanges, JobSummary, RecurringJobRequest
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._options import JobChanges
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
    """What the handle talks to."""

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
    store: Store | None
    shutdown_grace: float | None
    defaults: Defaults


@final
class Scheduler:
    """An open scheduler; `open_scheduler` makes it. Its methods may be called from any task of the event loop.

    From anywhere else, another thread or another event loop, each is a ``RuntimeError`` that changes nothing, as long
    as the block has not been left; `threadsafe` is for these. Only ``is_closed`` and ``shutdown_report`` may be read
    from anywhere.
    """

    def __init__(self, parts: Parts) -> None:
        """Make a handle of these parts; `open_scheduler` does."""
        self._staged: OrderedDict[UUID, int] = OrderedDict()
        """Keyed jobs that may still be in staging, and as the how manieth they were put there, in that order."""
        self._report: ShutdownReport | None = None
        self._parts: Final = parts
        self._rejected = 0

    def threadsafe(self) -> "ThreadsafeScheduler":
        """Return the same scheduler for other threads: each method blocks there, until there is an answer.

        ``scheduler.threadsafe().add_job(request, fn)`` submits from a thread: that of a plain job, one of a web
        framework, one that the program began. May be called from anywhere, and does not wait.
        """
        return ThreadsafeScheduler(self, self._parts.affinity)

    def __repr__(self) -> str:
        """Tell how many jobs there are, and whether it is closed."""
        jobs, active = self._parts.engine.ask(queries.sizes)
        return f"<Scheduler {'closed' if self.is_closed else 'open'}, {jobs} jobs, {active} active>"

    # Submit ----------------------------------------------------------------------------------------------

    def register(self, name: str, fn: Callable[..., Any], aliases: Iterable[str] = ()) -> None:
        """Give a function a name, under which jobs can be submitted, and by which stored jobs find it again.

        Args:
            name: The name; a dotted path such as ``"shop.send_report"`` reads well in logs.
            fn: A coroutine function, or a plain function, which runs in a thread.
            aliases: Names the function had before: jobs stored under them still find it.

        Does not wait, and is no checkpoint.

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
    ) -> RecurringJobId:
        """Submit a job, waiting for room in staging; return its id when the scheduler owns it.

        Args:
            request: When it runs, and by which rules.
            fn: A coroutine function; a plain function, which runs in a thread; or the name of a registered function.
            *args: Positional arguments of the function.
            kwargs: Keyword arguments of the function.
            on_conflict: What happens if the request has a ``key`` that another job has, in the books or in staging.

        From any task of the event loop, jobs included; from a thread by `threadsafe`. Callers that wait for room are
        served in the order in which they came. What is asked of the scheduler after this has returned knows the job.
        Its schedule counts from when it got room, not from when the coordinator takes it.

        Always a checkpoint. Cancelled, it has submitted nothing. (With a durable store, the commit is waited for
        shielded from cancellation: it happens, and the id is returned.)

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            JobExists: the key is taken, and ``on_conflict`` is `OnConflict.RAISE`.
            SubmissionRefused: the store did not take the job; the error carries the submission.
            TypeError: ``fn`` is no function, for example the coroutine ``f()`` instead of ``f``; or it does not take
                these arguments.
            ConfigurationError: ``fn`` is a name that is not registered, ``request`` is no request, or ``kwargs`` is no
                mapping of names to values.
        """
        submission = self._submission(request, fn, args, kwargs, on_conflict)
        reply = submission.token = None if self._parts.store is None else Reply()
        try:
            await self._parts.staging.put(submission, partial(self._stage, submission))
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        if reply is not None:
            self._parts.command_queue.expect(reply)
            with anyio.CancelScope(shield=True):
                await reply.get()
        return RecurringJobId(submission.job_id)  # noqa: ASYNC910  (`put` is a checkpoint)

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
    ) -> RecurringJobId:
        """Submit a job if there is room in staging; return its id.

        As `add_job`, but it never waits and is no checkpoint. (With a durable store, the job is owned once the store
        has committed it, which this does not wait for.)

        Raises:
            StagingFull: there is no room; the error carries the submission. Nothing was submitted.
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            JobExists: the key is taken, and ``on_conflict`` is `OnConflict.RAISE`.
            TypeError: ``fn`` is no function, or does not take these arguments.
            ConfigurationError: as `add_job`.
        """
        submission = self._submission(request, fn, args, kwargs, on_conflict)
        try:
            self._parts.staging.put_nowait(submission, partial(self._stage, submission))
        except anyio.WouldBlock:
            self._rejected += 1
            size = self._parts.staging.size
            message = f"staging is full ({size} jobs): wait with add_job, or open with a larger staging_buffer_size"
            raise StagingFull(message, request=request, fn=fn, args=args, kwargs=kwargs) from None
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        return RecurringJobId(submission.job_id)

    async def apply(self, job_set: JobSet) -> JobSetChanges:
        """Have the scheduler's jobs be what a job set says: after a reload of the configuration, say.

        Jobs that are new are added, changed ones are updated as by `Scheduler.update_job`, equal ones stay as they
        are. Jobs that came with an earlier call and are not in the set any more are deleted; others are left alone.
        A job of the set that was cancelled stays cancelled; one that is finished stays so while its schedule is the
        same.

        Returns:
            The ids of the jobs that were added, updated, left unchanged and removed.

        Always a checkpoint. Cancelled while it waits for room, it has changed nothing; later, it happens all the same.

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended.
            TypeError: a function of the set does not take its arguments.
            ConfigurationError: the set names a function that is not registered.
        """
        _validation.instance("job_set", job_set, JobSet, "a JobSet")
        submissions = [
            self._submission(entry.request, entry.fn, entry.args, entry.kwargs, OnConflict.UPDATE) for entry in job_set
        ]
        return await self._command(apply_set, submissions)

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

    @asynccontextmanager  # type: ignore[misc]  # mypy finds no implementation wide enough for a TypeVarTuple
    async def scheduled(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[RecurringJobId]:
        """Have a job for as long as the block lasts: ``async with scheduler.scheduled(request, fn) as job_id:``.

        When the block is left the job is cancelled, its runs are waited for, and it is forgotten. An exception or a
        cancellation, through the block or while its runs are waited for, has its runs cancelled, too; their cleanup is
        waited for, shielded from cancellation.

        Entering and leaving are checkpoints. Entering raises what `add_job` raises; leaving raises nothing, and does
        not wait when the scheduler has ended meanwhile.

        Raises:
            WouldDeadlock: from inside a run of the job that has this key: leaving would wait for that run to end.
        """
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
        """Cancel a job, wait for its runs, and forget it; any part of this may have happened already."""
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
    ) -> Submission:
        self._parts.affinity.check()
        _validation.instance("request", request, RecurringJobRequest, REQUEST)
        _validation.member("on_conflict", on_conflict, OnConflict)
        named = None if kwargs is None else _validation.keywords("kwargs", kwargs)
        target = self._parts.functions.target(fn)
        self._parts.functions.check(target, args, named)
        request = self._parts.defaults.complete(request)
        job_id = self._parts.new_id() if request.key is None else job_id_of_key(request.key)
        return Submission(job_id, request, target, args, named or None, on_conflict)

    def _stage(self, submission: Submission) -> None:
        """Called in the step in which it is put in staging: from now on it is accepted, and its schedule counts."""
        submission.staged = self._parts.read()
        if submission.request.key is not None:
            self._note_key(submission)

    def _note_key(self, submission: Submission) -> None:
        """Refuse a key that is taken, if so asked; remember the key while it is in staging. No await until it is."""
        staging, job_id = self._parts.staging, submission.job_id
        taken = self._staged.get(job_id, 0) > staging.taken or self._parts.engine.takes_key(job_id)
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
        """Cancel a job: nothing of it starts any more. Twice is fine.

        Its pending occurrence is removed, and a run that is due, bound to a worker or waiting for a retry ends
        cancelled. A run that is executing goes on, without further retries, unless ``cancel_running``.

        Args:
            job_id: The id of the job, its text, or the job's key.
            cancel_running: Have executing runs cancelled, too, and wait until their cleanup is done.
            reason: Why; it stands in the records and in the job's details.

        Returns:
            The records of the runs that it ended. They say what really happened: a run may have succeeded before the
            cancellation reached it, or failed during its cleanup.

        Giving up waiting for a cleanup does not withdraw the cancellation.

        Raises:
            JobNotFound: there is no such job.
            WouldDeadlock: with ``cancel_running``, from inside a run of that job.
            SchedulerClosed: the scheduler has ended.
        """
        job = _validation.job("job_id", job_id)
        why = _validation.words("reason", reason)
        if _validation.flag("cancel_running", cancel_running) and self._is_own_job(job):
            self._refuse_inside_job("cancel_job(cancel_running=True)")
        return await self._command(control.cancel_job, job, cancel_running=cancel_running, reason=why)

    async def cancel_run(self, run_id: RunId | str, *, reason: str = "") -> RunRecord:
        """Cancel one run, and wait until its cleanup is done. Its job goes on with its next occurrence.

        A planned run never starts; one that is due, bound to a worker or waiting ends cancelled; one that is executing
        has its scope cancelled. A plain function in a thread cannot be cut off: it is waited for, and can ask
        ``anyio.from_thread.check_cancelled()`` or ``current_run().cancel_requested``.

        Returns:
            The record: what really happened. A run that had ended already is not changed.

        Raises:
            RunNotFound: there is no such run, or its record has been forgotten.
            WouldDeadlock: from inside that run.
            SchedulerClosed: the scheduler has ended.
        """
        run = _validation.run("run_id", run_id)
        why = _validation.words("reason", reason)
        self._refuse_own_run(run)
        return await self._command(control.cancel_run, run, reason=why)

    async def delete_job(self, job_id: RecurringJobId | str) -> None:
        """Cancel a job and forget it, its history included. A run that is executing goes on.

        If its key is taken again meanwhile, the new job reckons with that run, as with one of its own.

        Raises:
            JobNotFound: there is no such job.
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.delete_job, _validation.job("job_id", job_id))

    async def skip_next_run(self, job_id: RecurringJobId | str) -> RunRecord | None:
        """Skip the pending occurrence of a job and plan the one after it.

        Returns:
            The record of the skipped occurrence; ``None`` if none is planned.

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
        """Change a job while it runs: any field of its request, its function, its arguments.

        Where the schedule and the initial run stay the same, so do the grid, the pending occurrence and the history;
        else a new grid begins now, and the pending occurrence is superseded. A run under way goes on, and ends under
        the new rules. A paused job stays paused; a halted one goes on with another schedule.

        Args:
            job_id: The id of the job, its text, or the job's key.
            if_version: Change it only if this is its version (`JobDetails.version`).
            fn: Another function.
            args: Other positional arguments.
            kwargs: Other keyword arguments.
            **changes: Fields of `RecurringJobRequest`, such as ``schedule=Interval(minutes=5)``; not the key.

        Returns:
            The version of the job now.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            VersionConflict: it has another version.
            ConfigurationError: a value is wrong, or there is no such field.
            TypeError: the function does not take the arguments, as they would be then.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        job = _validation.job("job_id", job_id)
        version = None if if_version is None else _validation.integer("if_version", if_version)
        if "key" in changes:
            raise ConfigurationError("the key of a job cannot be changed: it names the job", parameter="key")
        call = Call(
            target=None if fn is None else self._parts.functions.target(fn),
            args=None if args is None else _validation.arguments("args", args),
            kwargs=None if kwargs is None else _validation.keywords("kwargs", kwargs),
        )
        checked = checked_fields(changes)
        self._check_call(job, call)
        return await self._command(updates.update_job, job, if_version=version, call=call, changes=checked)

    def _check_call(self, job: UUID | str, call: Call) -> None:
        """Refuse arguments that the function does not take; what is not told to change is looked up in the books."""
        target, args, kwargs = call.target, call.args, call.kwargs
        if target is None and args is None and kwargs is None:
            return
        known = self._parts.engine.ask(queries.current_call, job)
        target = known.target if target is None else target
        args = known.args if args is None else args
        kwargs = known.kwargs if kwargs is None else kwargs
        if target is not None and args is not None:
            self._parts.functions.check(target, args, kwargs)

    async def pause_job(self, job_id: RecurringJobId | str, *, note: str = "") -> None:
        """Pause a job: nothing of it is planned or begun until it is resumed. What executes goes on. Twice is fine.

        Its pending occurrence, and runs that have not begun, end cancelled; what was pending or waited for a worker is
        taken up at the resume, by the rule for catch-up. A run that waits for its retry goes on waiting until then. A
        paused job can be triggered by hand, and a run by hand that has not begun yet is left alone.

        Args:
            job_id: The id of the job, its text, or the job's key.
            note: Why; it stands in the job's details.

        Raises:
            JobNotFound: there is no such job.
            JobHalted: the job is halted.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        await self._command(control.pause_job, _validation.job("job_id", job_id), note=_validation.words("note", note))

    async def resume_job(self, job_id: RecurringJobId | str, *, missed: CatchUp | None = None) -> None:
        """Go on with a paused or a halted job; one that is neither is left as it is.

        Args:
            job_id: The id of the job, its text, or the job's key.
            missed: What happens to the occurrences whose instants passed while it was paused; ``None``: what its
                request says (``catch_up``).

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        job = _validation.job("job_id", job_id)
        missed = None if missed is None else _validation.member("missed", missed, CatchUp)
        await self._command(control.resume_job, job, missed=missed)

    async def pause_all(self, *, note: str = "") -> None:
        """Begin nothing more, of any job, until `resume_all`. What executes goes on. Jobs keep their own state.

        Occurrences whose instants pass meanwhile are caught up afterwards, each by the rule of its job.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.pause_all, "all", note=_validation.words("note", note), wait=False)

    async def resume_all(self) -> None:
        """Undo `pause_all`. Blocks of `paused` that are open go on pausing.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.resume_all, "all")

    @asynccontextmanager
    async def paused(self, *, note: str = "", wait: bool = True) -> AsyncGenerator[None]:
        """Pause everything for as long as the block lasts: ``async with scheduler.paused():``.

        Args:
            note: Why.
            wait: Enter the block only when no run is executing any more.

        Entering is a checkpoint, and cancelled leaves nothing paused; leaving is shielded from cancellation.

        Raises:
            WouldDeadlock: with ``wait``, from inside a job.
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
        """Begin an extra run of a job now, as soon as a worker is free. Its planned occurrences stay where they are.

        Args:
            job_id: The id of the job, its text, or the job's key; it may be paused.
            overlap: What happens if a run of the job is active; ``None``: what its request says.

        Returns:
            The id of the run; `Scheduler.wait_run` waits for it.

        Raises:
            JobNotFound: there is no such job.
            JobActive: a run of the job waits for a worker or executes, and the policy would skip this one; ``run_id``
                names the run. (One that waits for its retry does not stand in the way: it ends, failed, as when the
                next occurrence comes.)
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

        Raises:
            RunNotFound: there is no such run, or its record has been forgotten.
            ConfigurationError: ``run_id`` is no id.
            WouldDeadlock: from inside that run, or from inside any job with ``max_workers=1``.
            SchedulerClosed: the scheduler ended first.
        """
        run = _validation.run("run_id", run_id)
        self._refuse_own_run(run)
        self._refuse_only_worker("wait_run()")
        return await self._ask(queries.wait_run, run)

    async def wait_job(self, job_id: RecurringJobId | str) -> RunRecord:
        """Wait until no further run of a job is to come, and return the record of its last run.

        That is when it has been cancelled, has no further occurrence, or is halted, and its last run has ended. A job
        that only runs by hand is waited for while a run of it is active.

        Args:
            job_id: The id of the job, its text, or the job's key.

        Returns:
            The record of the last run that began.

        Raises:
            JobNotFound: there is no such job.
            RunNotFound: no run of the job has begun, and none is to come: it was cancelled before its first, say. The
                message tells why.
            WouldDeadlock: from inside a run of that job, or from inside any job with ``max_workers=1``.
            ConfigurationError: ``job_id`` is neither an id nor a key.
            SchedulerClosed: the scheduler ended first.
        """
        job = _validation.job("job_id", job_id)
        self._refuse_own_job(job)
        self._refuse_only_worker("wait_job()")
        return await self._ask(queries.wait_job, job)

    async def wait_idle(self, *, due_only: bool = False) -> None:
        """Wait until no run is active and none is planned; with ``due_only``, until none is active and none is due.

        With a job that recurs for ever, only ``due_only`` comes to an end.

        Raises:
            WouldDeadlock: from inside a job.
            ConfigurationError: ``due_only`` is no flag.
            SchedulerClosed: the scheduler ended first.
        """
        _validation.flag("due_only", due_only)
        self._refuse_inside_job("wait_idle()")
        await self._ask(queries.wait_idle, due_only=due_only)

    # Ask -------------------------------------------------------------------------------------------------

    async def get_job_details(self, job_id: RecurringJobId | str) -> JobDetails:
        """Return all there is to know about a job.

        Args:
            job_id: The id of the job, its text, or the job's key.

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
        """Return jobs in the order of their submission, those that ended and are remembered included.

        Args:
            states: Only jobs in one of these states.
            tags: Only jobs with at least one of these tags.
            after: Only jobs submitted after this one (an id, its text, or a key): the last of the page before.
            limit: At most so many.

        Raises:
            JobNotFound: there is no job ``after``.
            ConfigurationError: an argument makes no sense; ``limit`` is not a positive integer, say.
        """
        return await self._ask_now(
            queries.list_jobs,
            states=None if states is None else _validation.members("states", states, JobState),
            tags=None if tags is None else _validation.texts("tags", tags, "['nightly']"),
            after=None if after is None else _validation.job("after", after),
            limit=_validation.integer("limit", limit, least=1),
        )

    async def print_jobs(
        self, *, states: Collection[JobState] | None = None, tags: Collection[str] | None = None, file: Any = None
    ) -> None:
        """Print the jobs in the order of submission, a line each: name, state, next run, how many runs are active.

        Args:
            states: Only jobs in one of these states.
            tags: Only jobs with one of these tags.
            file: Where to print to; standard output if it is not given.

        A checkpoint. It prints in one step: a slow terminal holds up the event loop.

        Raises:
            ConfigurationError: an argument makes no sense.
        """
        found: list[JobSummary] = []
        while page := await self.list_all_jobs(states=states, tags=tags, after=found[-1].job_id if found else None):
            found += page
        print(table(found), file=file)

    async def list_active_runs(self, job_id: RecurringJobId | str | None = None) -> list[ActiveRun]:
        """Return the runs of a job, or of all jobs, that are due and have not ended, in the order they became due.

        Args:
            job_id: The id of the job, its text, or the job's key.

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
        """Return records of runs that ended, and of occurrences that did not run, the newest first.

        Args:
            job_id: Only of this job: its id, the text of it, or its key.
            since: Only what ended at or after this instant.
            outcomes: Only with one of these outcomes.
            limit: At most so many.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: an argument makes no sense; ``since`` has no timezone, say.
        """
        return await self._ask_now(
            queries.run_history,
            job_id=_job(job_id),
            since=None if since is None else _validation.instant("since", since),
            outcomes=None if outcomes is None else _validation.members("outcomes", outcomes, Outcome),
            limit=_validation.integer("limit", limit, least=1),
        )

    async def upcoming_runs(self, *, until: datetime | None = None, limit: int = 100) -> list[UpcomingRun]:
        """Return the next occurrences of all jobs in their order, without jitter, and the retries to come.

        Those that are planned, and those that follow by the schedules if nothing changes. A fixed delay is counted from
        the end of a run, so of such a job only what is planned can be told. A retry (or the end of a snooze) has an
        ``attempt`` above 1; one that the next occurrence will have superseded by then is left out.

        Args:
            until: Only up to this instant.
            limit: At most so many.

        Raises:
            ConfigurationError: ``until`` has no timezone, or ``limit`` is not a positive integer.
        """
        until_us = None if until is None else _validation.instant("until", until)
        most = _validation.integer("limit", limit, least=1)
        return await self._ask_now(queries.upcoming_runs, until=until_us, limit=most)

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

        From the moment the block is entered nothing is missed: subscribe first, then list what there is. The scheduler
        never waits for a subscriber. One that has ``buffer`` events waiting misses what comes then, and is told how
        many by a `Lagged` as soon as it has caught up to there. The iteration ends after `SchedulerStopped`, which is
        always told.

        Args:
            *types: Kinds of events; none for all. `Lagged` and `SchedulerStopped` come in any case; name them, too, to
                have them in the type of what is iterated over.
            job_id: Only events of this job: its id, the text of it, or its key.
            buffer: How many events may wait for the subscriber.

        Closing the iterator (its ``aclose``, ``contextlib.aclosing``) ends this subscription and nothing else, as
        leaving the block does; a ``break`` leaves it open until then. Entering is a checkpoint. One subscription serves
        one task.

        Raises:
            ConfigurationError: something else than a kind of event is given (write ``events(RunFinished, RunStarted)``,
                without a list), ``job_id`` is neither an id nor a key, or ``buffer`` is not a positive integer.
            SchedulerClosed: the scheduler has ended.
        """
        _check_kinds(types)
        return self._subscribed(types, _job(job_id), _validation.integer("buffer", buffer, least=1))

    @asynccontextmanager
    async def _subscribed(
        self, types: tuple[type[Event], ...], job: UUID | str | None, places: int
    ) -> AsyncGenerator[Subscription[Event]]:
        parts = self._parts
        parts.affinity.check()
        await checkpoint()
        if parts.coordinator.ended.is_set():
            self._closed()
        only = None if job is None else parts.engine.ask(job_id_of, job)
        subscription: Subscription[Event] = Subscription(
            types, only, places, check=parts.affinity.check, on_close=parts.publisher.unsubscribe
        )
        parts.publisher.subscribe(subscription)
        try:
            yield subscription
        finally:
            subscription.close()

    def get_metrics_snapshot(self) -> MetricsSnapshot:
        """Return the counters and gauges as they are now. Does not wait, and is no checkpoint; also after the end."""
        parts = self._parts
        parts.affinity.check_thread()
        return parts.engine.metrics(
            staged=len(parts.staging),
            staged_total=parts.staging.sent - parts.staging.withdrawn,
            rejected_total=self._rejected,
        )

    def now(self) -> pendulum.DateTime:
        """Return the scheduler's wall time, in UTC: real, or virtual in a test. Does not wait.

        Raises:
            RuntimeError: called outside of the event loop.
        """
        self._parts.affinity.check_thread()
        return utc_pendulum(self._parts.clock.wall())

    # End -------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the scheduler takes nothing new: it is shutting down, or has ended."""
        return self._parts.coordinator.closing

    @property
    def shutdown_report(self) -> ShutdownReport | None:
        """What the shutdown did; ``None`` before it is complete. Also after the block."""
        if self._report is None and self._parts.coordinator.ended.is_set():
            self._report = self._parts.engine.shutdown_report(self._parts.coordinator.last_turn)
        return self._report

    def stop(self, *, force: bool = False) -> None:
        """Ask for a shutdown, and do not wait for it: for a job that decides that the program is to end, say.

        From the call on nothing new is taken, and runs are dealt with as by `shutdown_graceful`, or with ``force`` as
        by `shutdown_force`: a job that forces is cut off itself. Whoever waits in `run_until_signal`, or in another
        shutdown, goes on when it is complete; the body of the block is not cancelled. All calls share one shutdown;
        later ones can only make a graceful one forced.

        Does not wait, and is no checkpoint.

        Raises:
            ConfigurationError: ``force`` is not a bool.
        """
        self._parts.affinity.check()
        forced = _validation.flag("force", force)
        if not self._parts.coordinator.ended.is_set():
            self._parts.coordinator.close(forced=forced)

    async def shutdown_graceful(self, timeout: float | timedelta | None = None) -> ShutdownReport:  # noqa: ASYNC109  (what executes goes on)
        """Shut down, letting the runs that are executing come to their end.

        From the call on nothing new is taken. What is staged enters the books; what is due and has not begun is never
        started; a run that waits for its retry ends interrupted. Occurrences of later instants stay unrun.

        Args:
            timeout: How long to wait for runs that are executing, in seconds or as a ``timedelta``; ``None`` or
                ``math.inf`` for as long as it takes. With 0 the report comes at once, or the error.

        Always a checkpoint. Cancelled, or timed out, the shutdown goes on; call again to wait again, or force.

        Raises:
            ShutdownTimeout: runs were still executing at the timeout; its ``report`` names them.
            WouldDeadlock: from inside a job.
            ConfigurationError: ``timeout`` is negative, or no duration.
        """
        return await self._shut_down("shutdown_graceful()", timeout, forced=False)

    async def shutdown_force(self, timeout: float | timedelta | None = None) -> ShutdownReport:  # noqa: ASYNC109  (what executes goes on)
        """Shut down, cancelling every run that is executing, and wait until their cleanup is done.

        As `shutdown_graceful`, but executing runs are cut off at once and end interrupted. A plain function in a thread
        cannot be cut off: it is waited for, unless it asks ``anyio.from_thread.check_cancelled()`` or
        ``current_run().cancel_requested``.

        Raises:
            ShutdownTimeout: runs were still unwinding at the timeout; its ``report`` names them.
            WouldDeadlock: from inside a job.
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
        # The timeout is for runs, and for a store: a shutdown alone takes a few turns, which are not worth an error.
        while not (coordinator.ended.is_set() or coordinator.held_up):  # noqa: ASYNC110  (a turn sets no event)
            await checkpoint()
        report = self.shutdown_report
        if report is None:
            so_far = self._parts.engine.shutdown_report(read(self._parts.clock))
            names = ", ".join(f"{run.name} ({run.phase})" for run in so_far.still_running)
            raise ShutdownTimeout(f"the shutdown still waits for {names or 'a store'}", report=so_far)
        return report

    async def run_until_signal(self, *signals: signal.Signals) -> ShutdownReport:
        """Run until one of the signals comes (``SIGINT`` and ``SIGTERM`` if none is named), then shut down.

        The first signal begins a graceful shutdown, which is forced after ``shutdown_grace`` or by a second signal.
        Returns also when the scheduler is shut down in another way.

        Always a checkpoint. Cancelled, it leaves the scheduler as it is. However it ends, signals are handled as they
        were before (but for what was given to ``add_signal_handler`` of uvloop's event loop, which cannot be asked).

        Returns:
            The report of the shutdown.

        Raises:
            RuntimeError: signals cannot be had: this is not the main thread, or an event loop on Windows. Have
                something else call `stop` there.
            WouldDeadlock: from inside a job.
        """
        self._refuse_inside_job("run_until_signal()")
        coordinator = self._parts.coordinator
        interrupted: KeyboardInterrupt | None = None
        with received(signals or (signal.SIGINT, signal.SIGTERM)) as stream:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey, stream)
                try:
                    await coordinator.ended.wait()
                except KeyboardInterrupt as exc:
                    # On trio, a Ctrl-C that nobody asked for. In the task group's group nobody would know it.
                    interrupted = exc
                tasks.cancel_scope.cancel()
        if interrupted is not None:
            raise interrupted
        report = self.shutdown_report
        assert report is not None
        return report

    async def _obey(self, stream: AsyncIterator[signal.Signals]) -> None:
        coordinator = self._parts.coordinator
        await anext(stream)
        coordinator.close(forced=False)
        with anyio.move_on_after(self._parts.shutdown_grace):
            await anext(stream)
        coordinator.close(forced=True)
        # Further signals are swallowed: the cleanup that they would cut short is under way. Left unread, they would be
        # delivered once more when the receiver closes.
        async for _ in stream:
            pass

    # The way to the coordinator --------------------------------------------------------------------------

    async def _ask(self, query: "Query[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask a question that needs no time; after the end it is answered from the final state."""
        answer: R = await self._send(query, args, kwargs, changes=False, timed=False)
        return answer

    async def _ask_now(
        self, query: "Decision[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Ask a question about the present moment; after the end it is answered as of the last turn."""
        answer: R = await self._send(query, args, kwargs, changes=False, timed=True)
        return answer

    async def _command(
        self, decide: "Decision[P, Wait | TurnKeeperError | R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Ask for a decision that changes something; after the end it is refused."""
        answer: R = await self._send(decide, args, kwargs, changes=True, timed=True)
        return answer

    async def _send(
        self, decide: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, changes: bool, timed: bool
    ) -> Any:
        parts = self._parts
        parts.affinity.check()
        reply = Reply()
        command = Command(decide, args, kwargs, reply=reply, after=parts.staging.sent, changes=changes, timed=timed)
        try:
            await parts.commands.put(command)
        except anyio.ClosedResourceError:
            await checkpoint()
            reply.answer(parts.command_queue.answer_after_end(command, parts.coordinator.last_turn))
        return await reply.get()

    def _own_run(self) -> RunContext | None:
        """Return the run of this scheduler that the calling code belongs to, while it is being executed."""
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
        """A job that holds the only worker, and waits for another run, waits for ever."""
        run = self._own_run()
        if run is not None and self._parts.engine.only_worker:
            raise WouldDeadlock(f"{what} was called from inside the job {run.name!r}, which holds the only worker")

    def _closed(self, **submission: Any) -> NoReturn:
        raise SchedulerClosed("the scheduler is shutting down or has ended: it takes nothing new", **submission)


H = TypeVar("H", bound=Scheduler)


class Blocking(Generic[P, R]):
    """A method of the handle that waits in the calling thread instead."""

    def __init__(self, method: Callable[Concatenate[H, P], Coroutine[Any, Any, R]]) -> None:
        """Do what a method of the handle does."""
        self._method = cast("Callable[..., Coroutine[Any, Any, R]]", method)
        self.__doc__ = inspect.getdoc(method)

    @overload
    def __get__(self, facade: None, owner: type[object]) -> "Blocking[P, R]": ...

    @overload
    def __get__(self, facade: "ThreadsafeScheduler", owner: type[object]) -> Callable[P, R]: ...

    def __get__(self, facade: "ThreadsafeScheduler | None", owner: type[object]) -> "Blocking[P, R] | Callable[P, R]":
        """Bind the method to a scheduler, as a function does."""
        if facade is None:
            return self
        method = self._method

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return facade._call(method, args, kwargs)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (its own)

        return call


@final
class ThreadsafeScheduler:
    """A scheduler for other threads: `Scheduler.threadsafe` makes it.

    Its methods have the names of the scheduler's, take what these take, and return or raise what these return or raise;
    but they are plain functions, which block the calling thread until there is an answer. There always is one: when the
    scheduler ends, whoever still waits gets `SchedulerClosed`, and the block of `open_scheduler` is not left before.

    In a thread that anyio began, as that of a plain job, the call is cancelled with whoever began the thread. In other
    threads nothing cancels it. In the thread of the event loop each method is a ``RuntimeError``: it would block it.
    After the block has been left each is `SchedulerClosed`; ask the scheduler itself then.

    What waits inside of a block of its own (`Scheduler.scheduled`, `Scheduler.paused`, `Scheduler.events`) and
    `Scheduler.run_until_signal` are not here.
    """

    def __init__(self, scheduler: Any, affinity: Affinity) -> None:
        """Make it for a scheduler that lives in a place."""
        self._scheduler = scheduler
        self._affinity = affinity

    def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId:
        """Submit a job, waiting for room; as `Scheduler.add_job`."""
        options = {"kwargs": kwargs, "on_conflict": on_conflict}
        return self._call(Scheduler.add_job, (request, fn, *args), options)

    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId:
        """Submit a job if there is room, as `Scheduler.try_add_job`; it only waits for the event loop to look."""
        options = {"kwargs": kwargs, "on_conflict": on_conflict}
        return self._call_soon(Scheduler.try_add_job, (request, fn, *args), options)

    apply: Final = Blocking(Scheduler.apply)

    cancel_job: Final = Blocking(Scheduler.cancel_job)
    cancel_run: Final = Blocking(Scheduler.cancel_run)
    delete_job: Final = Blocking(Scheduler.delete_job)
    skip_next_run: Final = Blocking(Scheduler.skip_next_run)
    pause_job: Final = Blocking(Scheduler.pause_job)
    resume_job: Final = Blocking(Scheduler.resume_job)
    pause_all: Final = Blocking(Scheduler.pause_all)
    resume_all: Final = Blocking(Scheduler.resume_all)
    trigger_job_now: Final = Blocking(Scheduler.trigger_job_now)

    def update_job(self, job_id: UUID, **changes: Any) -> int:
        """Change a job while it runs; as `Scheduler.update_job`."""
        return self._call(Scheduler.update_job, (job_id,), changes)

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
        """Return the counters and gauges; as `Scheduler.get_metrics_snapshot`."""
        return self._call_soon(Scheduler.get_metrics_snapshot, (), {})

    def now(self) -> pendulum.DateTime:
        """Return the scheduler's wall time; as `Scheduler.now`."""
        return self._call_soon(Scheduler.now, (), {})

    def stop(self, *, force: bool = False) -> None:
        """Ask for a shutdown and do not wait for it; as `Scheduler.stop`."""
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
