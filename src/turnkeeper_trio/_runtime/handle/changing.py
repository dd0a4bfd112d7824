"""Changing jobs and runs."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Unpack
from uuid import UUID

import anyio

from turnkeeper_trio import _checks
from turnkeeper_trio._engine import changing, control, pausing
from turnkeeper_trio._engine.changing import Call
from turnkeeper_trio._engine.control import job_id_of
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._runtime.handle.line import Line
from turnkeeper_trio.errors import ConfigurationError, SchedulerClosed
from turnkeeper_trio.jobs.options import JobChanges
from turnkeeper_trio.jobs.request import checked_fields
from turnkeeper_trio.policies import CatchUp, Overlap


class Changing(Line):
    """The facet of the handle by which jobs and runs are changed.

    Each operation waits for room in the command stream, then for the coordinator's answer. Always a checkpoint.
    Cancelled while it waits for room, it has changed nothing; later, what was asked for happens all the same.
    """

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
        job = _checks.job("job_id", job_id)
        why = _checks.words("reason", reason)
        if _checks.flag("cancel_running", cancel_running) and self._is_own_job(job):
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
        run = _checks.run("run_id", run_id)
        why = _checks.words("reason", reason)
        self._refuse_own_run(run)
        return await self._command(control.cancel_run, run, reason=why)

    async def delete_job(self, job_id: RecurringJobId | str) -> None:
        """Cancel a job and forget it, its history included. A run that is executing goes on.

        If its key is taken again meanwhile, the new job reckons with that run, as with one of its own.

        Raises:
            JobNotFound: there is no such job.
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.delete_job, _checks.job("job_id", job_id))

    async def skip_next_run(self, job_id: RecurringJobId | str) -> RunRecord | None:
        """Skip the pending occurrence of a job and plan the one after it.

        Returns:
            The record of the skipped occurrence; ``None`` if none is planned.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        return await self._command(control.skip_next_run, _checks.job("job_id", job_id))

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
        job = _checks.job("job_id", job_id)
        version = None if if_version is None else _checks.integer("if_version", if_version)
        if "key" in changes:
            raise ConfigurationError("the key of a job cannot be changed: it names the job", parameter="key")
        call = Call(
            target=None if fn is None else self._parts.functions.target(fn),
            args=None if args is None else _checks.arguments("args", args),
            kwargs=None if kwargs is None else _checks.keywords("kwargs", kwargs),
        )
        checked = checked_fields(changes)
        self._check_call(job, call)
        return await self._command(changing.update_job, job, if_version=version, call=call, changes=checked)

    def _check_call(self, job: UUID | str, call: Call) -> None:
        """Refuse arguments that the function does not take; what is not told to change is looked up in the books."""
        state = self._parts.engine.state
        now = state.jobs.get(job_id_of(state, job))
        target, args, kwargs = call.target, call.args, call.kwargs
        if target is None and args is None and kwargs is None:
            return
        if now is not None and now.state not in ENDED_STATES:
            target = now.target if target is None else target
            args = now.args if args is None else args
            kwargs = now.kwargs if kwargs is None else kwargs
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
        await self._command(pausing.pause_job, _checks.job("job_id", job_id), note=_checks.words("note", note))

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
        job = _checks.job("job_id", job_id)
        missed = None if missed is None else _checks.member("missed", missed, CatchUp)
        await self._command(pausing.resume_job, job, missed=missed)

    async def pause_all(self, *, note: str = "") -> None:
        """Begin nothing more, of any job, until `resume_all`. What executes goes on. Jobs keep their own state.

        Occurrences whose instants pass meanwhile are caught up afterwards, each by the rule of its job.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(pausing.pause_all, "all", note=_checks.words("note", note), wait=False)

    async def resume_all(self) -> None:
        """Undo `pause_all`. Blocks of `paused` that are open go on pausing.

        Raises:
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(pausing.resume_all, "all")

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
        why = _checks.words("note", note)
        if _checks.flag("wait", wait):
            self._refuse_inside_job("paused()")
        who = object()
        try:
            await self._command(pausing.pause_all, who, note=why, wait=wait)
            yield
        finally:
            with anyio.CancelScope(shield=True), suppress(SchedulerClosed):
                await self._command(pausing.resume_all, who)

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
        job = _checks.job("job_id", job_id)
        overlap = None if overlap is None else _checks.member("overlap", overlap, Overlap)
        return await self._command(control.trigger_job, job, overlap=overlap)
