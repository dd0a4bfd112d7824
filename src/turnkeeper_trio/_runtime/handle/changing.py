"""Changing jobs."""

from uuid import UUID

from turnkeeper_trio._engine import control
from turnkeeper_trio._model.ids import RunId
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._runtime.handle.line import Line


class Changing(Line):
    """The facet of the handle by which jobs are cancelled, deleted, skipped and triggered.

    Each operation waits for room in the command stream, then for the coordinator's answer. Always a checkpoint.
    Cancelled while it waits for room, it has changed nothing; later, what was asked for happens all the same.
    """

    async def cancel_job(
        self, job_id: UUID, *, cancel_running: bool = False, reason: str = ""
    ) -> tuple[RunRecord, ...]:
        """Cancel a job: nothing of it starts any more. Twice is fine.

        Its pending occurrence is removed, and a run that is due, bound to a worker or waiting for a retry ends
        cancelled. A run that is executing goes on, without further retries, unless ``cancel_running``.

        Args:
            job_id: The job.
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
        if cancel_running and self._is_own_job(job_id):
            self._refuse_inside_job("cancel_job(cancel_running=True)")
        return await self._command(control.cancel_job, job_id, cancel_running=cancel_running, reason=reason)

    async def delete_job(self, job_id: UUID) -> None:
        """Cancel a job and forget it, its history included. A run that is executing goes on.

        Raises:
            JobNotFound: there is no such job.
            SchedulerClosed: the scheduler has ended.
        """
        await self._command(control.delete_job, job_id)

    async def skip_next_run(self, job_id: UUID) -> RunRecord | None:
        """Skip the pending occurrence of a job and plan the one after it.

        Returns:
            The record of the skipped occurrence; ``None`` if none is planned.

        Raises:
            JobNotFound: there is no such job.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        return await self._command(control.skip_next_run, job_id)

    async def trigger_job_now(self, job_id: UUID) -> RunId:
        """Begin an extra run of a job now, as soon as a worker is free. Its planned occurrences stay where they are.

        Returns:
            The id of the run; `Scheduler.wait_run` waits for it.

        Raises:
            JobNotFound: there is no such job.
            JobActive: a run of the job waits for a worker or executes; ``run_id`` names it. (One that waits for its
                retry does not stand in the way: it ends, failed, as when the next occurrence comes.)
            JobHalted: the job is halted.
            JobEnded: the job has been cancelled or is finished.
            SchedulerClosed: the scheduler is shutting down or has ended.
        """
        return await self._command(control.trigger_job, job_id)

    def _is_own_job(self, job_id: UUID) -> bool:
        run = self._own_run()
        return run is not None and run.job_id == job_id
