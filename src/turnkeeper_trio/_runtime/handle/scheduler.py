"""The handle, whole."""

from typing import final

from turnkeeper_trio._runtime.context import CURRENT_RUN
from turnkeeper_trio._runtime.handle.asking import Asking
from turnkeeper_trio._runtime.handle.changing import Changing
from turnkeeper_trio._runtime.handle.ending import Ending
from turnkeeper_trio._runtime.handle.submitting import Submitting
from turnkeeper_trio._runtime.handle.threadsafe import ThreadsafeScheduler
from turnkeeper_trio._runtime.handle.waiting import Waiting


@final
class Scheduler(Submitting, Changing, Waiting, Asking, Ending):
    """An open scheduler; `open_scheduler` makes it. Its methods may be called from any task of the event loop.

    From anywhere else, another thread or another event loop, each is a ``RuntimeError`` that changes nothing, as long
    as the block has not been left; `threadsafe` is for these. Only ``is_closed`` and ``shutdown_report`` may be read
    from anywhere.
    """

    def threadsafe(self) -> ThreadsafeScheduler:
        """Return the same scheduler for other threads: each method blocks there, until there is an answer.

        ``scheduler.threadsafe().add_job(request, fn)`` submits from a thread: that of a plain job, one of a web
        framework, one that the program began. May be called from anywhere, and does not wait.
        """
        return ThreadsafeScheduler(self, self._parts.place)

    def __repr__(self) -> str:
        """Tell how many jobs there are, and whether it is closed."""
        state = self._parts.engine.state
        return (
            f"<Scheduler {'closed' if self.is_closed else 'open'}, {len(state.jobs)} jobs, {len(state.active)} active>"
        )


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
