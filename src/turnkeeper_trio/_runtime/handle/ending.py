"""Ending the scheduler."""

import signal
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio import _checks
from turnkeeper_trio._engine import closing
from turnkeeper_trio._model.instants import seconds
from turnkeeper_trio._model.report import ShutdownReport
from turnkeeper_trio._runtime.clock import read
from turnkeeper_trio._runtime.handle.line import Line, Parts
from turnkeeper_trio._runtime.signals import received
from turnkeeper_trio.errors import ShutdownTimeout


class Ending(Line):
    """The facet of the handle that shuts down. All calls share one shutdown, and its report."""

    def __init__(self, parts: Parts) -> None:
        """Make a handle of these parts."""
        super().__init__(parts)
        self._report: ShutdownReport | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the scheduler takes nothing new: it is shutting down, or has ended."""
        return self._parts.coordinator.closing

    @property
    def shutdown_report(self) -> ShutdownReport | None:
        """What the shutdown did; ``None`` before it is complete. Also after the block."""
        if self._report is None and self._parts.coordinator.ended.is_set():
            self._report = closing.report(self._parts.engine.state, self._parts.coordinator.last_turn)
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
        self._parts.place.check()
        forced = _checks.flag("force", force)
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
        limit = _checks.limit("timeout", timeout)
        await checkpoint()
        coordinator = self._parts.coordinator
        coordinator.close(forced=forced)
        with anyio.move_on_after(None if limit is None else seconds(limit)):
            await coordinator.ended.wait()
        # The timeout is for runs, and for a store: a shutdown alone takes a few turns, which are not worth an error.
        while not (coordinator.ended.is_set() or coordinator.held_up):
            await checkpoint()
        report = self.shutdown_report
        if report is None:
            so_far = closing.report(self._parts.engine.state, read(self._parts.clock))
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
