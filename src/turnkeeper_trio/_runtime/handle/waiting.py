"""Waiting for runs, jobs and idleness."""

from uuid import UUID

from turnkeeper_trio._engine import asking
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._runtime.handle.line import Line
from turnkeeper_trio.errors import WouldDeadlock


class Waiting(Line):
    """The facet of the handle that waits. Always a checkpoint; cancelled, nothing has changed.

    After the end, what has ended is answered from the final state; what will not come about any more, and what had not
    when the scheduler ended, raises `SchedulerClosed`.
    """

    async def wait_run(self, run_id: UUID) -> RunRecord:
        """Wait until a run has ended, and return its record.

        Raises:
            RunNotFound: there is no such run, or its record has been forgotten.
            WouldDeadlock: from inside that run, or from inside any job with ``max_workers=1``.
            SchedulerClosed: the scheduler ended first.
        """
        self._refuse_own_run(run_id)
        self._refuse_only_worker("wait_run()")
        return await self._ask(asking.wait_run, run_id)

    async def wait_job(self, job_id: UUID) -> RunRecord | None:
        """Wait until no further run of a job is to come, and return the record of its last run.

        That is when it has been cancelled, has no further occurrence, or is halted, and its last run has ended. A job
        that only runs by hand is waited for while a run of it is active.

        Returns:
            The record of the last run that began; ``None`` if none ever did.

        Raises:
            JobNotFound: there is no such job.
            WouldDeadlock: from inside a run of that job, or from inside any job with ``max_workers=1``.
            SchedulerClosed: the scheduler ended first.
        """
        run = self._own_run()
        if run is not None and run.job_id == job_id:
            raise WouldDeadlock(f"the job {run.name!r} would wait for itself to end")
        self._refuse_only_worker("wait_job()")
        return await self._ask(asking.wait_job, job_id)

    async def wait_idle(self, *, due_only: bool = False) -> None:
        """Wait until no run is active and none is planned; with ``due_only``, until none is active and none is due.

        With a job that recurs for ever, only ``due_only`` comes to an end.

        Raises:
            WouldDeadlock: from inside a job.
            SchedulerClosed: the scheduler ended first.
        """
        self._refuse_inside_job("wait_idle()")
        await self._ask(asking.wait_idle, due_only=due_only)
