"""An attempt: what travels from the coordinator to a worker, and back with what happened."""

from typing import TYPE_CHECKING, Any, final

from turnkeeper_trio._engine.endings import Cancellable, Cause, Ending
from turnkeeper_trio._engine.now import NEVER, Now

if TYPE_CHECKING:
    from turnkeeper_trio._engine.tables import Run


@final
class Attempt:
    """One call of a job's function. It goes to a worker and comes back with what happened.

    The worker claims it synchronously before the body begins; until then it can be revoked.
    """

    __slots__ = (
        "body",
        "cause",
        "claimed",
        "deadline",
        "ended",
        "ending",
        "error",
        "last",
        "look_at",
        "number",
        "revoked",
        "run",
        "scope",
        "start_by",
        "started",
        "stuck",
        "thread",
        "told_long",
        "value",
    )

    def __init__(self, run: "Run", number: int, now: Now) -> None:
        """Bind the next attempt of a run."""
        self.run: Run = run
        self.number: int = number
        self.claimed: bool = False
        self.revoked: bool = False
        self.look_at: int = NEVER
        """The loop time at which to look at it again: its alarm."""
        self.stuck: bool = False
        """Whether it was asked to end, and its ``cleanup_grace`` has passed."""
        self.told_long: bool = False
        """Whether it was told that it executes for longer than its ``stuck_after``."""
        self.deadline: int | None = None
        """The loop time at which its own timeout strikes, if it has one."""
        self.cause: Cause | None = None
        """Why it was asked to end, if it was."""
        self.last: str = ""
        """Why no further one follows, where that was said after its own timeout had struck."""
        self.start_by: int | None = None
        """The wall time after which it may not begin any more."""
        self.scope: Cancellable | None = None
        """The scope it executes in; the worker's."""
        self.body: Any = None
        """The coroutine that is being executed, to show its stack."""
        self.thread: int | None = None
        """The thread in which a plain function is being executed."""
        self.started: Now = now
        self.ended: Now = now
        self.ending: Ending = Ending.REVOKED
        self.value: Any = None
        self.error: BaseException | None = None

    def claim(self, now: Now, scope: Cancellable) -> bool:
        """Begin, unless it has been revoked or is too late. Called by the worker, right before the body."""
        if self.revoked or (self.start_by is not None and now.wall > self.start_by):
            return False
        self.claimed = True
        self.ending = Ending.CUT_OFF  # Until the worker says otherwise.
        self.started = now
        self.scope = scope
        self.run.since = now.loop
        timeout = self.run.job.request.timeout_us
        self.deadline = None if timeout is None else now.loop + timeout
        return True

    @property
    def timed_out_at(self) -> int | None:
        """The loop time at which its own timeout struck, if it has, and it has not ended yet."""
        struck = self.cause is None and self.scope is not None and self.scope.cancel_called
        return self.deadline if struck else None

    def end(self, now: Now, ending: Ending, *, value: Any = None, error: BaseException | None = None) -> None:
        """Note what happened. Called by the worker, outside of the scope."""
        self.ended = now
        self.ending = ending
        self.value = value
        self.error = error
        self.scope = self.body = self.thread = None
