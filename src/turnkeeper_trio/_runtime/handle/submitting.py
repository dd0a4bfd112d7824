"""Submitting jobs."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVarTuple, overload
from uuid import UUID

import anyio

from turnkeeper_trio import _checks
from turnkeeper_trio._engine import asking, changing, control
from turnkeeper_trio._engine.intake import Submission
from turnkeeper_trio._model.ids import RecurringJobId, job_id_of_key
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._runtime.commands import Reply
from turnkeeper_trio._runtime.handle.line import Line, Parts
from turnkeeper_trio.errors import JobExists, JobNotFound, RunNotFound, SchedulerClosed, StagingFull, WouldDeadlock
from turnkeeper_trio.jobs import JobSet, JobSetChanges, RecurringJobRequest
from turnkeeper_trio.policies import OnConflict

Args = TypeVarTuple("Args")

REQUEST: Final = "a RecurringJobRequest(name, schedule)"


class Submitting(Line):
    """The facet of the handle by which jobs come in."""

    def __init__(self, parts: Parts) -> None:
        """Make a handle of these parts."""
        super().__init__(parts)
        self._staged: OrderedDict[UUID, int] = OrderedDict()
        """Keyed jobs that may still be in staging, and as the how manieth they were put there, in that order."""

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
        self._parts.place.check_thread()
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
            self._parts.callers.expect(reply)
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
        _checks.instance("job_set", job_set, JobSet, "a JobSet")
        submissions = [
            self._submission(entry.request, entry.fn, entry.args, entry.kwargs, OnConflict.UPDATE) for entry in job_set
        ]
        return await self._command(changing.apply_set, submissions)

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
        _checks.instance("request", request, RecurringJobRequest, REQUEST)
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
                await self._ask(asking.wait_job, job_id)
            await self._command(control.delete_job, job_id)

    def _submission(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        on_conflict: OnConflict,
    ) -> Submission:
        self._parts.place.check()
        _checks.instance("request", request, RecurringJobRequest, REQUEST)
        _checks.member("on_conflict", on_conflict, OnConflict)
        named = None if kwargs is None else _checks.keywords("kwargs", kwargs)
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
        live = self._parts.engine.state.jobs.get(job_id)
        taken = self._staged.get(job_id, 0) > staging.taken or (live is not None and live.state not in ENDED_STATES)
        if taken and submission.on_conflict is OnConflict.RAISE:
            raise JobExists(f"there is a job with the key {submission.request.key!r}", job_id=job_id)
        while self._staged and next(iter(self._staged.values())) <= staging.taken:
            self._staged.popitem(last=False)
        self._staged[job_id] = staging.sent + 1
        self._staged.move_to_end(job_id)
