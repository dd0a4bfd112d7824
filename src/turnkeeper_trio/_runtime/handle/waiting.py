"""Waiting for runs, jobs and idleness."""

from turnkeeper_trio import _checks
from turnkeeper_trio._engine import asking
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._runtime.handle.line import Line


class Waiting(Line):
    """The facet of the handle that waits. Always a checkpoint; cancelled, nothing has changed.

    After the end, what has ended is answered from the final state; what will not come about any more, and what had not
    when the scheduler ended, raises `SchedulerClosed`.
    """

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
        run = _checks.run("run_id", run_id)
        self._refuse_own_run(run)
        self._refuse_only_worker("wait_run()")
        return await self._ask(asking.wait_run, run)

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
        job = _checks.job("job_id", job_id)
        self._refuse_own_job(job)
        self._refuse_only_worker("wait_job()")
        return await self._ask(asking.wait_job, job)

    async def wait_idle(self, *, due_only: bool = False) -> None:
        """Wait until no run is active and none is planned; with ``due_only``, until none is active and none is due.

        With a job that recurs for ever, only ``due_only`` comes to an end.

        Raises:
            WouldDeadlock: from inside a job.
            ConfigurationError: ``due_only`` is no flag.
            SchedulerClosed: the scheduler ended first.
        """
        _checks.flag("due_only", due_only)
        self._refuse_inside_job("wait_idle()")
        await self._ask(asking.wait_idle, due_only=due_only)
