"""Submitting jobs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

import anyio

from turnkeeper_trio import _checks
from turnkeeper_trio._engine.intake import Submission
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._runtime.commands import Reply
from turnkeeper_trio._runtime.handle.line import Line
from turnkeeper_trio.errors import StagingFull
from turnkeeper_trio.jobs import RecurringJobRequest


class Submitting(Line):
    """The facet of the handle by which jobs come in."""

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
        self._parts.functions.register(name, fn, aliases)

    async def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> RecurringJobId:
        """Submit a job, waiting for room in staging; return its id when the scheduler owns it.

        Args:
            request: When it runs, and by which rules.
            fn: A coroutine function; a plain function, which runs in a thread; or the name of a registered function.
            *args: Positional arguments of the function.
            kwargs: Keyword arguments of the function.

        From any task of the event loop, jobs included; from a worker thread through ``anyio.from_thread.run``. Callers
        that wait for room are served in the order in which they came. What is asked of the scheduler after this has
        returned knows the job.

        Always a checkpoint. Cancelled, it has submitted nothing. (With a durable store, the commit is waited for
        shielded from cancellation: it happens, and the id is returned.)

        Raises:
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            SubmissionRefused: the store did not take the job; the error carries the submission.
            TypeError: ``fn`` is no function, for example the coroutine ``f()`` instead of ``f``.
            ConfigurationError: ``fn`` is a name that is not registered.
        """
        submission = self._submission(request, fn, args, kwargs)
        if self._parts.store is not None:
            return await self._add_and_commit(submission, fn)
        try:
            await self._parts.staging.put(submission)
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        return RecurringJobId(submission.job_id)

    async def _add_and_commit(self, submission: Submission, fn: Callable[..., Any] | str) -> RecurringJobId:
        reply = submission.token = Reply()
        try:
            await self._parts.staging.put(submission)
        except anyio.ClosedResourceError:
            self._closed(request=submission.request, fn=fn, args=submission.args, kwargs=submission.kwargs)
        self._parts.coordinator.expect(reply)
        with anyio.CancelScope(shield=True):
            await reply.get()
        return RecurringJobId(submission.job_id)

    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> RecurringJobId:
        """Submit a job if there is room in staging; return its id.

        As `add_job`, but it never waits and is no checkpoint. (With a durable store, the job is owned once the store
        has committed it, which this does not wait for.)

        Raises:
            StagingFull: there is no room; the error carries the submission. Nothing was submitted.
            SchedulerClosed: the scheduler is shutting down or has ended; the error carries the submission.
            TypeError: ``fn`` is no function.
            ConfigurationError: ``fn`` is a name that is not registered.
        """
        submission = self._submission(request, fn, args, kwargs)
        try:
            self._parts.staging.put_nowait(submission)
        except anyio.WouldBlock:
            self._rejected += 1
            size = self._parts.staging.size
            message = f"staging is full ({size} jobs): wait with add_job, or open with a larger staging_buffer_size"
            raise StagingFull(message, request=request, fn=fn, args=args, kwargs=kwargs) from None
        except anyio.ClosedResourceError:
            self._closed(request=request, fn=fn, args=args, kwargs=kwargs)
        return RecurringJobId(submission.job_id)

    def _submission(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
    ) -> Submission:
        _checks.instance("request", request, RecurringJobRequest, "a RecurringJobRequest(name, schedule)")
        target = self._parts.functions.target(fn)
        return Submission(uuid4(), request, target, args, dict(kwargs) if kwargs else None)
